"""Identifies operators, by session or proxy, and authenticates forms by a token."""

import base64
import getpass
import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

from web.settings import WebSettings

SESSION, VISITOR = "session", "visitor"
SESSION_SECONDS = 12 * 3600
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Identity:
    """`actor` is empty before a login; `visitor` identifies the browser, not a person."""

    actor: str
    visitor: str


class Identities:
    """Identifies requests. Its key outlives the process, so sessions and forms survive a restart.

    Args:
        folder: where the key is kept if there is no secret to derive it from.
        actor: the name where no login is needed; empty for the user that runs this process.
    """

    def __init__(self, settings: WebSettings, folder: Path, actor: str = "") -> None:
        self._local = actor or _user()
        self._token = settings.token.get_secret_value()
        self._proxy_secret = settings.proxy_secret.get_secret_value()
        self._open = not settings.needs_log_in
        secret = self._token or self._proxy_secret
        self._key = hashlib.sha256(b"order-saga page:" + secret.encode()).digest() if secret else _kept(folder)

    def of(self, request: HTTPConnection) -> Identity:
        visitor = request.cookies.get(VISITOR, "")
        if len(visitor) != 32 or not visitor.isalnum():
            visitor = secrets.token_hex(16)
        return Identity(self._actor(request), visitor)

    def _actor(self, request: HTTPConnection) -> str:
        if self._open:
            return self._local
        if self._proxy_secret and _same(request.headers.get("x-proxy-secret", ""), self._proxy_secret):
            return _name(request.headers.get("x-forwarded-user", ""))
        return self._of_session(request.cookies.get(SESSION, ""))

    def form_token(self, visitor: str) -> str:
        """A token for a form's hidden field, which another site can neither read nor create."""
        return self._sign(f"form:{visitor}")

    def is_own_form(self, visitor: str, token: str) -> bool:
        return _same(token, self.form_token(visitor))

    @property
    def logs_in(self) -> bool:
        return bool(self._token)

    def session(self, token: str, name: str) -> str | None:
        """The session cookie's value for a caller that knows the token."""
        if not (self._token and _same(token, self._token) and _name(name)):
            return None
        content = json.dumps([_name(name), int(time.time()) + SESSION_SECONDS]).encode()
        encoded = base64.urlsafe_b64encode(content).decode()
        return f"{encoded}.{self._sign(f'session:{encoded}')}"

    def _of_session(self, cookie: str) -> str:
        encoded, _, signature = cookie.partition(".")
        if not (self._token and _same(signature, self._sign(f"session:{encoded}"))):
            return ""
        name, expires = json.loads(base64.urlsafe_b64decode(encoded))
        return str(name) if expires > time.time() else ""

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _name(text: str) -> str:
    return "".join(one for one in text.strip() if one.isprintable())[:_LONGEST_NAME]


def _user() -> str:
    """The user that runs this process."""
    try:
        return _name(getpass.getuser())
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid-{os.getuid()}"


def _kept(folder: Path) -> bytes:
    file = folder / "web.key"
    try:
        return file.read_bytes()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        made = file.with_name(f"{file.name}.{os.getpid()}")
        made.touch(mode=0o600)
        made.write_bytes(secrets.token_bytes(32))
        made.rename(file)
        return file.read_bytes()
