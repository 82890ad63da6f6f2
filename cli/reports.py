"""The commands that look at everything: the audit and the catalogue."""

from audit.invariants import audit as check_books
from cli import console
from cli.audit_of_events import audit_of_events
from cli.console import AsJson, print_json
from settings import load
from wiring.audit_reports import keep_report
from wiring.catalogue import read_catalogue
from wiring.program import BAD_END, GOOD


def audit(as_json: AsJson = False) -> int:
    """Check that what is on record adds up over all databases: money, stock, parcels, and events if there are any."""
    settings = load()
    report = check_books(settings)
    report.violations += audit_of_events(settings, report.not_judged)
    keep_report(settings, report)
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
