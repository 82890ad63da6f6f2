"""The commands `audit` and `catalogue`."""

from typing import Annotated

import typer

from audit.invariants import SETTLED, Report
from cli.console import AsJson, milliseconds_of, out, print_json, shown, table_of
from settings import load
from wiring.auditing import audit as examine
from wiring.catalogue import read_catalogue
from wiring.program import BAD_END, GOOD


def audit(
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Check only orders that changed since this time or have not ended, such as 2026-03-01T12:00:00Z.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Check that money, stock, parcels and events add up.

    It compares the records of all services, the card processor's ledger, the courier's parcels and the bus.
    """
    report = examine(load(), milliseconds_of("--since", since), since)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        show_audit(report)
    return BAD_END if report.violations else GOOD


def catalogue(as_json: AsJson = False) -> int:
    """List products, with prices and pieces on hand."""
    offers = read_catalogue(load())
    if as_json:
        print_json([offer.model_dump(mode="json") for offer in offers])
    else:
        rows = [(offer.sku, offer.name, str(offer.unit_price), str(offer.on_hand)) for offer in offers]
        out.print(table_of("sku", "product", "price", "on hand", rows=rows))
    return GOOD


def show_audit(report: Report) -> None:
    out.print(table_of("status", "orders", rows=[(status, str(n)) for status, n in report.by_status.items()]))
    show_findings(report)


def show_findings(report: Report) -> None:
    for order_id, note in report.settled_by_hand.items():
        out.print(f"settled by hand: {shown(order_id)}: {shown(note)}")
    for violation in report.violations:
        where = violation.order_id or "as a whole"
        out.print(f"[bold red]✗ {shown(where)}[/]: {shown(violation.invariant)}: {shown(violation.detail)}")
    for left_out in report.not_judged:
        if left_out.order_id in report.settled_by_hand and left_out.why.startswith(SETTLED):
            continue  # listed above, with its note
        where = left_out.order_id or "as a whole"
        out.print(f"[yellow]? not judged: {shown(where)}[/]: {shown(left_out.why)}")
    if report.violations:
        out.print(f"[bold red]{len(report.violations)} violations[/] over {report.orders} orders")
    elif report.not_judged:
        out.print(f"[yellow]{report.orders} orders: nothing was found in what was judged[/]")
    else:
        out.print(f"[green]✓ {report.orders} orders: money, stock and parcels add up[/]")
