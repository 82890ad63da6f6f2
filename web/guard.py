"""Checks every request (host, origin, size, identity) and adds headers to every response."""

from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.identity import VISITOR, Identities, Identity

LARGEST_BODY = 64 * 1024

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_FREE = ("/login", "/static/")  # for who has not logged in


class Guard:
    """Args: names: the host names to answer to, against DNS rebinding; all, if there are none."""

    def __init__(self, app: ASGIApp, identities: Identities, names: frozenset[str]) -> None:
        self._app = app
        self._identities = identities
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = HTTPConnection(scope)
        identity = self._identities.of(request)
        scope.setdefault("state", {})["identity"] = identity

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message), request, identity)
            await send(message)

        refusal = self._refusal(scope, request, identity)
        if refusal is not None:
            await refusal(scope, receive, sent)
            return
        await self._app(scope, _limited(receive), sent)

    def _refusal(self, scope: Scope, request: HTTPConnection, identity: Identity) -> Response | None:
        headers, path = request.headers, scope["path"]
        host = headers.get("host", "")
        if self._names and _name_in(host) not in self._names:
            return PlainTextResponse("This page does not answer to that host name; see WEB_HOSTS.", 421)
        if scope["method"] not in ("GET", "HEAD"):
            if not _is_same_origin(headers, host):
                return PlainTextResponse("This form comes from another site.", 403)
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > LARGEST_BODY:
                return PlainTextResponse("That is too much.", 413)
        if not identity.actor and not path.startswith(_FREE):
            if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
                return RedirectResponse(f"/login?to={quote(path)}", 303)
            return JSONResponse({"error": "log in first"}, 401)
        return None


class TooLarge(Exception):
    """A request's body is larger than any form here."""


def _limited(receive: Receive) -> Receive:
    """Limit a body that has no declared length."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise TooLarge
        return message

    return limited


def _is_same_origin(headers: Headers, host: str) -> bool:
    """By the browser's headers. Without any, the form's token decides."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _complete(headers: MutableHeaders, request: HTTPConnection, identity: Identity) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["cache-control"] = "no-store"
    if request.cookies.get(VISITOR) != identity.visitor and not request.url.path.startswith("/static/"):
        secure = "; Secure" if request.url.scheme == "https" else ""
        # Lax, so that who follows a link to here from elsewhere keeps the forms that are open.
        headers.append("set-cookie", f"{VISITOR}={identity.visitor}; Path=/; HttpOnly; SameSite=Lax{secure}")
