#!/usr/bin/env python3
"""The command line: places, inspects and resolves orders."""

import logging
from typing import Annotated

import typer

from cli.lazy import Entry, LazyGroup
from cli.version import show_version
from kernel.visible import VisibleFormatter
from wiring.program import exit_code_of, leave


class Commands(LazyGroup):
    table = (
        Entry("place", "Place an order, or many from a file.", "cli.place:place"),
        Entry("status", "Show where an order stands.", "cli.orders:status"),
        Entry("watch", "Follow an order live until it ends or needs a person.", "cli.orders:watch"),
        Entry("list", "List orders, the newest first.", "cli.orders:list_orders"),
        Entry("attention", "List everything that needs a person, and how to resolve it.", "cli.attention:attention"),
        Entry("cancel", "Cancel an order for its customer; completed steps are undone.", "cli.settle:cancel"),
        Entry("review", "Approve or decline an order held as a possible fraud.", "cli.settle:review"),
        Entry("resolve", "Resolve an order that needs attention.", "cli.settle:resolve"),
        Entry("bulk", "Cancel, review or resolve all orders that match filters.", "cli.bulk:bulk"),
        Entry("adjust", "Record a refund or return made outside after completion.", "cli.adjust:adjust"),
        Entry("trace", "Show an order's events as a tree: causes above effects.", "cli.trace:trace"),
        Entry("catalogue", "List products, with prices and pieces on hand.", "cli.reports:catalogue"),
        Entry("analytics", "Show conversion, revenue, refusals and time to ship.", "cli.analytics:analytics"),
        Entry("audit", "Check that money, stock, parcels and events add up.", "cli.reports:audit"),
        Entry("schedules", "List what is scheduled, run it now, pause and resume it.", "cli.schedules:schedules"),
        Entry("events", "Look at the bus, replay it, settle dead letters.", "cli.event_commands:events"),
    )


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def starter(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Place, inspect and resolve orders.

    Exit codes: 0 completed or done; 1 rejected, cancelled, needs attention, or findings of the audit; 2 bad input, a
    decision that came too late, or an unreachable server; 130 Ctrl-C: 128 and the signal's number.
    """


def main() -> int:
    """Run a command; its exit code."""
    handler = logging.StreamHandler()
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    return exit_code_of(app, "starter.py")


if __name__ == "__main__":
    leave(main())
