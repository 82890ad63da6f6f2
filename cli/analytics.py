"""`starter.py analytics`: figures of the analytics subscriber."""

from collections.abc import Callable
from functools import partial

from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from cli.console import AsJson, out, print_json, shown
from kernel.environment import one_line
from kernel.errors import SettingsError
from settings import load
from subscribers.analytics import NAME as ANALYTICS
from subscribers.analytics_report import AnalyticsReport, Figures, SecondsToShip
from subscribers.analytics_report import report as analytics_report
from wiring.bus import EventBus, with_bus
from wiring.program import GOOD


def analytics(as_json: AsJson = False) -> int:
    """Show conversion, revenue, refusals and time to ship."""

    async def run(events: EventBus) -> AnalyticsReport:
        try:
            return analytics_report(events.database(ANALYTICS))
        except SQLAlchemyError as error:
            raise SettingsError(
                f"the analytics cannot be read: {one_line(error)[:200]}; a worker with the role subscribers makes them"
            ) from None

    report = with_bus(load(), run, for_reading=True)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        out.print(_table(report))
    return GOOD


def _table(report: AnalyticsReport) -> Table:
    """A column for all orders, and one for each style."""
    columns: dict[str, Figures] = {"all": report, **report.by_style}
    table = Table("", *columns)

    def row(name: str, cell: Callable[[Figures], object]) -> None:
        table.add_row(name, *(shown(str(cell(figures))) for figures in columns.values()))

    row("placed", lambda figures: figures.placed)
    row("completed", lambda figures: figures.completed)
    row("rejected", lambda figures: figures.rejected)
    row("cancelled", lambda figures: figures.cancelled)
    row("conversion", lambda figures: "–" if figures.conversion is None else f"{figures.conversion:.1%}")
    row("revenue", lambda figures: ", ".join(map(str, figures.revenue)) or "–")
    row("refunded", lambda figures: ", ".join(map(str, figures.refunds)) or "–")
    for reason in report.refusals:
        row(f"refused: {reason}", partial(_refusals, reason))
    row("seconds to ship, median", lambda figures: _seconds(figures, lambda its: its.median))
    row("seconds to ship, p95", lambda figures: _seconds(figures, lambda its: its.p95))
    return table


def _refusals(reason: str, figures: Figures) -> int:
    return figures.refusals.get(reason, 0)


def _seconds(figures: Figures, which: Callable[[SecondsToShip], float]) -> str:
    return "–" if figures.seconds_to_ship is None else f"{which(figures.seconds_to_ship):.3f}"
