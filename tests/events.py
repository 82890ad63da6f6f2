"""An order's events, as a service publishes them."""

from datetime import UTC, datetime, timedelta

from kernel.contracts import Event, Style
from kernel.envelope import CloudEvent, cloud_event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(order: str, number: int = 1) -> CloudEvent:
    """An order's event of this number."""
    return cloud_event(
        "OrderCreated",
        {"customer": "Zoë", "total": {"amount": 100 * number, "currency": "EUR"}},
        event_id=f"{order}:{number}",
        source="/orders",
        correlation=order,
        causation="command-1",
        style="orchestration",
        at=NOON,
        sequence=number,
    )


def published(
    event: Event,
    order: str = "order-1",
    *,
    event_id: str = "",
    after: float = 0,
    style: Style = Style.ORCHESTRATION,
) -> CloudEvent:
    """The event on the wire, `after` a number of seconds."""
    return cloud_event(
        event.type(),
        event.model_dump(mode="json"),
        event_id=event_id or f"{order}:{event.type()}",
        source="/samples",
        correlation=order,
        causation=f"{order}:cause",
        style=style,
        at=NOON + timedelta(seconds=after),
        sequence=1,
    )
