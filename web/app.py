"""The page's routes and error responses."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ExceptionHandler

from web.forms import explained, status_of, wants_html
from web.guard import Guard, TooLarge
from web.pages import attention, figures, login, orders, shop, side_by_side
from web.settings import WebSettings
from web.site import Site, site_of
from wiring.failures import PASSING

_STATIC = Path(__file__).with_name("static")


def application(site: Site, web: WebSettings) -> Starlette:
    refused: dict[Any, ExceptionHandler] = {
        **dict.fromkeys(PASSING, _failed),
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


async def _failed(request: Request, error: Exception) -> Response:
    return _answer(request, status_of(error), explained(error))


async def _too_large(request: Request, error: Exception) -> Response:
    del request, error
    return PlainTextResponse("That is too much.", 413)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, error.status_code, "There is no such page." if error.status_code == 404 else error.detail)


def _answer(request: Request, status: int, text: str) -> Response:
    if wants_html(request):
        return site_of(request).page(request, "error.html", code=status, text=text, back=_back(request))
    return JSONResponse({"error": text}, status)


def _back(request: Request) -> str:
    """The page of this site that led here, or else this address again."""
    came_from = urlsplit(request.headers.get("referer", ""))
    return came_from.path if came_from.netloc == request.headers.get("host") else request.url.path
