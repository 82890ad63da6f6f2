"""The commands that look at everything: the audit and the catalogue."""

from typing import Annotated

import typer

from audit.invariants import NotJudged
from audit.invariants import audit as check_books
from cli import console
from cli.audit_of_events import audit_of_events
from cli.console import AsJson, milliseconds_of, print_json
from settings import load
from wiring.catalogue import read_catalogue
from wiring.program import BAD_END, GOOD


def audit(
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Only orders to which something happened from then on, or that are not over; as UTC."
        ),
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Check that what is on record adds up over all databases: money, stock, parcels, and events if there are any."""
    settings, moment = load(), milliseconds_of("--since", since)
    report = check_books(settings, moment)
    report.violations += audit_of_events(settings, report.not_judged, moment)
    if moment:
        why = f"orders that are over, and to which nothing has happened since {since}, and events of before then"
        report.not_judged.append(NotJudged(order_id="", why=why))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        console.show_audit(report)
    return BAD_END if report.violations else GOOD


def catalogue(as_json: AsJson = False) -> int:
    """What can be ordered, at which price, and how much of it is on hand."""
    offers = read_catalogue(load())
    if as_json:
        print_json([offer.model_dump(mode="json") for offer in offers])
    else:
        rows = [(offer.sku, offer.name, str(offer.unit_price), str(offer.on_hand)) for offer in offers]
        console.out.print(console.table_of("sku", "product", "price", "on hand", rows=rows))
    return GOOD
