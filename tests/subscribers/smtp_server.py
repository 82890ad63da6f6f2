"""A real SMTP server on this machine."""

import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.conftest import free_port

AUTHORITY = trustme.CA()  # made for this run; nobody else trusts it
CERTIFICATE = AUTHORITY.issue_cert("localhost", "127.0.0.1")
USER, PASSWORD = "shop", "p@ss/word"


class SmtpUnderTest:
    """Keeps what it is sent.

    Args:
        tls: "" for none, "offered" for STARTTLS, "implicit" for TLS from the first byte.
        with_password: one may log in, and is refused with a wrong password.
    """

    def __init__(self, *, tls: str = "", with_password: bool = False) -> None:
        self.port = free_port()
        self.mails: list[EmailMessage] = []
        self.were_encrypted: list[bool] = []
        self.users: list[str] = []
        self.recipients: list[str] = []
        self.answers_to_recipients: list[str] = []
        self.answers_to_data: list[str] = []
        options: dict[str, Any] = {}
        if with_password:
            options |= {"authenticator": _authenticated, "auth_require_tls": False}
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            CERTIFICATE.configure_cert(context)
            options |= {"tls_context": context} if tls == "offered" else {"ssl_context": context}
        self._controller = Controller(self, "127.0.0.1", self.port, **options)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    # The names that aiosmtpd gives its hooks:

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.answers_to_recipients:
            return self.answers_to_recipients.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answers_to_data:
            return self.answers_to_data.pop(0)
        self.mails.append(parsed(envelope.content))
        self.recipients += envelope.rcpt_tos
        self.were_encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        self.users.append(session.auth_data.login.decode() if session.auth_data else "")
        return "250 accepted"


def parsed(content: bytes) -> EmailMessage:
    """As a mail program reads it."""
    return message_from_bytes(content, policy=policy.default)


def _authenticated(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
    right = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=login == right, handled=False, auth_data=login)
