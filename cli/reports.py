"""The commands that look at everything: an order's trace, the audit, the figures, the catalogue."""

from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from audit.events import audit_chain, audit_events
from audit.invariants import Violation
from audit.invariants import audit as check_books
from cli import console
from cli.console import AsJson, OrderArgument, print_json
from cli.trace import documents as trace_documents
from cli.trace import tree_of
from client.errors import NoSuchOrder
from kernel.errors import SettingsError
from messaging.bus import Recorded
from settings import load
from subscribers.analytics import NAME as ANALYTICS
from subscribers.analytics_report import AnalyticsReport
from subscribers.analytics_report import report as analytics_report
from subscribers.audit_log import NAME as AUDIT_LOG
from wiring.catalogue import read_catalogue
from wiring.clients import Clients, with_clients
from wiring.program import BAD_END, GOOD


def trace(order: OrderArgument, as_json: AsJson = False) -> int:
    """Show how an order went, as a tree of its events: under each, those that it caused."""

    async def run(clients: Clients) -> Sequence[Recorded]:
        return await clients.events.bus.of(order)

    events = with_clients(load(), run)
    if not events:
        raise NoSuchOrder(f"the bus has no events of order {order}; 'starter.py list' shows the orders there are")
    if as_json:
        print_json(trace_documents(events))
    else:
        console.out.print(tree_of(order, events))
    return GOOD


def audit(as_json: AsJson = False) -> int:
    """Check that money, stock, parcels and events add up, over all databases, and that the audit log is whole."""
    settings = load()
    report = check_books(settings)

    async def run(clients: Clients) -> list[Violation]:
        events = clients.events
        return [*await audit_events(settings, events.bus), *audit_chain(events.database(AUDIT_LOG), events.progress)]

    report.violations += with_clients(settings, run)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        console.show_audit(report)
    return BAD_END if report.violations else GOOD


def analytics(as_json: AsJson = False) -> int:
    """How orders go: conversion, revenue, refusals by reason, time to ship."""

    async def run(clients: Clients) -> AnalyticsReport:
        try:
            return analytics_report(clients.events.database(ANALYTICS))
        except SQLAlchemyError:
            raise SettingsError("there are no analytics yet: start a worker first ('make up')") from None

    report = with_clients(load(), run)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        console.out.print(console.analytics_table(report))
    return GOOD


def catalogue(as_json: AsJson = False) -> int:
    """What can be ordered, at which price, and how much of it is on hand."""
    offers = read_catalogue(load())
    if as_json:
        print_json([offer.model_dump(mode="json") for offer in offers])
    else:
        rows = [(offer.sku, offer.name, str(offer.unit_price), str(offer.on_hand)) for offer in offers]
        console.out.print(console.table_of("sku", "product", "price", "on hand", rows=rows))
    return GOOD
