"""The login, if the page is open to other machines."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from web.identity import SESSION, SESSION_SECONDS
from web.site import done, site_of

_PAUSE_SECONDS = 1.0  # guessing takes its time
_guessing = asyncio.Lock()


async def ask(request: Request) -> Response:
    return site_of(request).page(request, "login.html", to=_inside(request.query_params.get("to", "/")), failed=False)


async def log_in(request: Request) -> Response:
    site = site_of(request)
    form = await site.form(request)
    to = _inside(form.get("to", "/"))
    session = site.identities.session(form.get("token"), form.get("name"))
    if session is None:
        async with _guessing:
            await asyncio.sleep(_PAUSE_SECONDS)
        return site.page(request, "login.html", code=403, to=to, failed=True)
    response = RedirectResponse(to, 303)
    secure = request.url.scheme == "https"
    response.set_cookie(
        SESSION, session, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=secure, path="/"
    )
    return response


async def log_out(request: Request) -> Response:
    await site_of(request).form(request)
    response = done("/login")
    response.delete_cookie(SESSION, httponly=True, samesite="strict")
    return response


def _inside(to: str) -> str:
    """The path to return to; never another site."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"


ROUTES = [
    Route("/login", ask, methods=["GET"]),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
]
