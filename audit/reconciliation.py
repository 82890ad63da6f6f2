"""Do our books agree with the card processor's ledger and the courier's records? A quick part of the audit."""

from collections import Counter

from audit.books import pages
from audit.invariants import Report, excuse
from audit.reading import Reading, Sources
from services import SERVICES
from services.orders.contracts import OrderStatus

_BEHIND_A_COMPANY = frozenset(service.name for service in SERVICES if service.providers)


def reconcile(sources: Sources) -> Report:
    """Compare the records of each service with those of its provider, for every order that has ended.

    Raises:
        SettingsError: a database is missing or cannot be read.
    """
    report, statuses = Report(orders=0, by_status={}, settled_by_hand={}, violations=[]), Counter[str]()
    with Reading(sources) as reading:
        for some in pages(reading):
            books = [(n, b) for n, b in zip(some.names, some.services, strict=True) if n in _BEHIND_A_COMPANY]
            for name, of_service in books:
                for order_id, order in some.placed.items():
                    if order.ends != OrderStatus.IN_PROGRESS:  # otherwise a request may be on its way to the provider
                        for finding in of_service.disagreements(order_id, order):
                            report.add(order_id, finding, excuse(name, order))
                for order_id in some.unplaced:
                    for finding in of_service.disagreements(order_id, None):
                        report.add(order_id, finding)
            statuses.update(order.status for order in some.placed.values())
    report.orders, report.by_status = statuses.total(), dict(sorted(statuses.items()))
    return report
