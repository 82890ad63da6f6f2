"""All events by their publishers: those that the services declare, and those from outside of the services."""

from choreography.events import PUBLISHED
from client.events import PUBLISHED as PUBLISHED_BY_OPERATIONS
from kernel.contracts import Event, UndoneEvent
from services import SERVICES
from services.orders.events import ENDS
from services.shipping.events import Shipped

_UNDONE = [
    event
    for service in SERVICES
    for operation in service.operations
    for event in operation.publishes
    if issubclass(event, UndoneEvent)
]

# By CloudEvents' `source`. The choreography appends who published: its deadlines, or the service that gave up.
SOURCES: dict[str, tuple[type[Event], ...]] = {
    **{f"/{service.name}": service.events for service in SERVICES},
    **{source: events for source, events in PUBLISHED.items() if source != "/operator"},
    **PUBLISHED_BY_OPERATIONS,
    # A settlement by hand is published in place of the service's own event; until 0.1, an order's end was, too.
    "/operator": tuple(dict.fromkeys((*PUBLISHED["/operator"], *_UNDONE, Shipped, *ENDS))),
}


def event_types() -> list[type[Event]]:
    """Each event type once, sorted by name."""
    return sorted({kind for kinds in SOURCES.values() for kind in kinds}, key=lambda kind: kind.type())
