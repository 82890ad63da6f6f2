"""The login, if the page is open to other machines."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from web.forms import BadForm, shown_on, typed_in
from web.identity import SESSION, SESSION_SECONDS
from web.site import done, site_of

_PAUSE_SECONDS = 1.0  # guessing takes its time
_guessing = asyncio.Lock()


async def ask(request: Request) -> Response:
    return site_of(request).page(request, "login.html", to=_to(request))


@shown_on(ask)
async def log_in(request: Request) -> Response:
    site = site_of(request)
    form = await site.form(request)
    session = site.identities.session(form.get("token"), form.get("name"))
    if session is None:
        async with _guessing:
            await asyncio.sleep(_PAUSE_SECONDS)
        raise BadForm("that is not the operators' token, or no name was given")
    response = RedirectResponse(_to(request), 303)
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


def _to(request: Request) -> str:
    """The path to return to; never another site."""
    to = typed_in(request).form.get("to") or request.query_params.get("to", "/")
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"


ROUTES = [
    Route("/login", ask, methods=["GET"]),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
]
