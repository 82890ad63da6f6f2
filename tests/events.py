"""An order's events, as a service publishes them."""

from datetime import UTC, datetime

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
