"""Analytics, consumers, and the results of comparing both styles."""

import asyncio
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kernel.environment import one_line
from messaging.lag import Lag
from subscribers.analytics import NAME as ANALYTICS
from subscribers.analytics_report import AnalyticsReport
from subscribers.analytics_report import report as analytics_report
from web.site import Site, site_of
from wiring.failures import PASSING

_DOCS = Path(__file__).parents[2] / "docs"
_PLOTS = {
    "scorecard-latency.svg": "Share of orders that had ended, by seconds since placing",
    "scorecard-rest.svg": "Orders that had ended over time, with the worker's kills",
    "scorecard-stock.svg": "Share of failed orders whose stock was free again, by seconds since its reservation",
}


async def figures(request: Request) -> Response:
    site = site_of(request)
    plots = {name: shows for name, shows in _PLOTS.items() if (_DOCS / name).exists()}
    report = await asyncio.to_thread(_report, site)
    lags, trouble = list[Lag](), ""
    try:
        lags = await site.lags.get()
    except PASSING as error:
        trouble = one_line(error)[:300]
    return site.page(request, "figures.html", report=report, plots=plots, lags=lags, trouble=trouble)


def _report(site: Site) -> AnalyticsReport | None:
    try:
        return analytics_report(site.events.database(ANALYTICS))
    except SQLAlchemyError:
        return None  # no subscriber has run here yet


async def plot(request: Request) -> Response:
    """The scorecard's pictures, if the documents are present."""
    name = request.path_params["name"]
    if name not in _PLOTS or not (_DOCS / name).exists():
        raise HTTPException(404)
    return FileResponse(_DOCS / name, media_type="image/svg+xml")


ROUTES = [
    Route("/figures", figures),
    Route("/figures/{name}", plot),
]
