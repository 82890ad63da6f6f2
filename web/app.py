"""The page's routes and error responses."""

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ExceptionHandler

from client.errors import NoSuchOrder
from kernel.environment import one_line
from kernel.errors import SettingsError, Unreachable, UserError
from messaging.bus import BusDown
from web.guard import Guard, TooLarge
from web.pages import attention, figures, login, orders, shop, side_by_side
from web.settings import WebSettings
from web.site import Site, site_of
from wiring.failures import UNANSWERED

_STATIC = Path(__file__).with_name("static")


def application(site: Site, web: WebSettings) -> Starlette:
    refused: dict[Any, ExceptionHandler] = {
        UserError: _user_error,
        **dict.fromkeys(UNANSWERED, _unanswered),
        TooLarge: _too_large,
        HTTPException: _http_error,
    }
    app = Starlette(
        routes=[
            *side_by_side.ROUTES,
            *shop.ROUTES,
            *orders.ROUTES,
            *attention.ROUTES,
            *figures.ROUTES,
            *login.ROUTES,
            Mount("/static", StaticFiles(directory=_STATIC), name="static"),
        ],
        middleware=[Middleware(Guard, identities=site.identities, names=web.names)],
        exception_handlers=refused,
    )
    app.state.site = site
    return app


async def _user_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)
    status = 404 if isinstance(error, NoSuchOrder) else 400
    if isinstance(error, (Unreachable, SettingsError, BusDown)):
        status = 503
    return _answer(request, status, error.for_user())


async def _unanswered(request: Request, error: Exception) -> Response:
    return _answer(request, 503, f"A server that is needed does not answer as it should: {one_line(error)[:200]}")


async def _too_large(request: Request, error: Exception) -> Response:
    del request, error
    return PlainTextResponse("That is too much.", 413)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, error.status_code, "There is no such page." if error.status_code == 404 else error.detail)


def _answer(request: Request, status: int, text: str) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return site_of(request).page(request, "error.html", code=status, text=text)
    return JSONResponse({"error": text}, status)
