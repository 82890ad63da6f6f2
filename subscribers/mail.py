"""Mail to customers: the port, an adapter that sends by SMTP, and a built-in one that writes files.

The same mail, made again, has the same Message-ID, Date and file name.
"""

import hashlib
import os
import re
import smtplib
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from messaging.subscription import NonRetryable

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Mail:
    """A plain-text mail; `mail_id` identifies it."""

    mail_id: str
    to: str
    subject: str
    body: str
    date: datetime

    def message(self, sender: str) -> EmailMessage:
        """The mail as it is sent, in ASCII. Raises ValueError for a line break in a header."""
        message = EmailMessage(policy=SMTP)
        message["From"] = sender
        message["To"] = self.to
        message["Subject"] = self.subject
        message["Date"] = self.date
        message["Message-ID"] = f"<{_digest(self.mail_id)}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # so that no out-of-office reply answers it
        message.set_content(self.body, cte="quoted-printable")
        return message


class Mailer(Protocol):
    @property
    def is_idempotent(self) -> bool:
        """Whether a mail that is sent twice is one mail."""
        ...

    def send(self, mail: Mail) -> None:
        """Raises NonRetryable if the server refuses this mail permanently; any other exception may be transient."""
        ...


class EmlFolder:
    """Writes each mail to its own file. A repeat writes the same file again, so there is exactly one."""

    is_idempotent = True

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Returns once the whole file is durable on disk. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", suffix=".tmp", delete=False) as file:
            written = Path(file.name)
            try:
                file.write(mail.message(self._sender).as_bytes())
                file.flush()
                os.fsync(file.fileno())
                written.replace(self._folder / _file_name(mail.mail_id))
            except BaseException:
                written.unlink()
                raise
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # makes the new name durable, too
        finally:
            os.close(descriptor)


class SmtpServer:
    """Sends each mail to an SMTP server, on its own connection.

    Args:
        url: smtp://user:password@host:port, or smtps:// for TLS from the first byte. With smtp://, TLS is used if the
            server offers it; without TLS, a password is sent to this machine only.
        timeout: in seconds, for each answer of the server.

    Raises:
        ValueError: the URL is invalid.
    """

    is_idempotent = False

    def __init__(self, url: str, sender: str, timeout: float) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("is not a URL such as smtp://user:password@host:587") from None
        if parts.scheme not in ("smtp", "smtps") or not host or parts.path.strip("/") or parts.query:
            raise ValueError("must be smtp://host:port or smtps://host:port, with user:password@ if need be")
        self._implicit_tls = parts.scheme == "smtps"
        self._host = host
        self._port = port or (smtplib.SMTP_SSL_PORT if self._implicit_tls else smtplib.SMTP_PORT)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender
        self._timeout = timeout

    def send(self, mail: Mail) -> None:
        message = mail.message(self._sender)
        with self._session() as session:
            try:
                session.send_message(message)
            except smtplib.SMTPRecipientsRefused as refused:
                code, text = next(iter(refused.recipients.values()))
                raise _refusal(code, text) from refused
            except smtplib.SMTPDataError as refused:
                raise _refusal(refused.smtp_code, refused.smtp_error) from refused

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        with self._connect() as session:
            session.ehlo_or_helo_if_needed()
            encrypted = self._implicit_tls
            if not encrypted and session.has_extn("starttls"):
                session.starttls(context=ssl.create_default_context())
                encrypted = True
            if self._user:
                if not encrypted and self._host not in _LOOPBACK:
                    raise ConnectionError(f"{self._host} offers no TLS, and a password is not sent without")
                session.login(self._user, self._password)
            yield session

    def _connect(self) -> smtplib.SMTP:
        own_name = self._sender.rpartition("@")[2]  # otherwise it is looked up, which can take long
        if self._implicit_tls:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, own_name, timeout=self._timeout, context=context)
        return smtplib.SMTP(self._host, self._port, own_name, timeout=self._timeout)


def _refusal(code: int, text: bytes | str) -> Exception:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    kind = NonRetryable if code >= 500 else ConnectionError  # RFC 5321: 5yz is permanent, 4yz is transient
    return kind(f"the mail server answers {code} {said}")


def _digest(mail_id: str) -> str:
    return hashlib.sha256(mail_id.encode()).hexdigest()[:32]


def _file_name(mail_id: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9._-]", "-", mail_id)[:100].strip(".")
    return f"{readable}-{_digest(mail_id)[:12]}.eml"
