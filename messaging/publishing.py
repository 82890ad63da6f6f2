"""Events that no transaction stands behind: told by a person, or by a consumer that gives up."""

import time
from datetime import UTC, datetime
from typing import Any

from messaging.envelope import DATA_SCHEMA, CloudEvent, sequence_of, traceparent_of


def event_from(
    type: str,
    data: dict[str, Any],
    *,
    event_id: str,
    source: str,
    correlation: str,
    causation: str,
    style: str,
) -> CloudEvent:
    """An event of now. The same `event_id` again is the same event."""
    return CloudEvent(
        id=event_id,
        source=source,
        type=type,
        subject=correlation,
        time=datetime.now(UTC),
        dataschema=DATA_SCHEMA.format(type=type),
        correlationid=correlation,
        causationid=causation,
        sequence=sequence_of(time.time_ns()),
        traceparent=traceparent_of(correlation, event_id),
        style=style,
        data=data,
    )
