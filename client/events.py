"""The events that concern no single order."""

from kernel.contracts import Event

# Stands in the place of the order id. No order can have this id.
OPERATIONS = "@operations"


class DiscrepanciesFound(Event):
    """An audit, or a reconciliation with the providers, has found discrepancies.

    `orders` names some of the orders concerned.
    """

    examination: str
    findings: int
    orders: tuple[str, ...]


PUBLISHED: dict[str, tuple[type[Event], ...]] = {"/operations": (DiscrepanciesFound,)}
