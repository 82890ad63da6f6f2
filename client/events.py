"""What is published of no single order: by who looks at all of them."""

from kernel.contracts import Event

# In the place of an order's id, which none can be.
OPERATIONS = "@operations"


class DiscrepanciesFound(Event):
    """An audit, or a reconciliation with the companies behind our services, has found what does not add up.

    `orders` names some of those that are concerned.
    """

    examination: str
    findings: int
    orders: tuple[str, ...]


PUBLISHED: dict[str, tuple[type[Event], ...]] = {"/operations": (DiscrepanciesFound,)}
