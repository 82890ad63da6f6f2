"""The envelope of every event: CloudEvents 1.0, in its JSON format.

Its extensions: `correlationid` (the order), `causationid` (the event or command behind it), `sequence` (the place among
its source's events) and `traceparent` are CloudEvents' own; `style` says who decided what happens next.
"""

import hashlib
import time
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

DATA_SCHEMA = "/docs/events/{type}.schema.json"


class CloudEvent(BaseModel):
    """One event. `source` and `id` together are unique, for ever; `sequence` sorts as text."""

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    correlationid: str
    causationid: str
    sequence: str
    traceparent: str
    style: str
    data: dict[str, Any]


def cloud_event(
    type: str,
    data: dict[str, Any],
    *,
    event_id: str,
    source: str,
    correlation: str,
    causation: str,
    style: str,
    at: datetime,
    sequence: int,
) -> CloudEvent:
    """An event of an order, as it is published. The same `event_id` again is the same event."""
    return CloudEvent(
        id=event_id,
        source=source,
        type=type,
        subject=correlation,
        time=at,
        dataschema=DATA_SCHEMA.format(type=type),
        correlationid=correlation,
        causationid=causation,
        sequence=_sequence(sequence),
        traceparent=_traceparent(correlation, event_id),
        style=style,
        data=data,
    )


def new_event(
    type: str,
    data: dict[str, Any],
    *,
    event_id: str,
    source: str,
    correlation: str,
    causation: str,
    style: str,
) -> CloudEvent:
    """An event of now that no transaction stands behind: published by a person, or by a consumer that gives up."""
    return cloud_event(
        type,
        data,
        event_id=event_id,
        source=source,
        correlation=correlation,
        causation=causation,
        style=style,
        at=datetime.now(UTC),
        sequence=time.time_ns(),
    )


def _sequence(number: int) -> str:
    """As the extension wants it: text that sorts like the number."""
    return f"{number:020}"


def _traceparent(correlation: str, event_id: str) -> str:
    """W3C trace context: one trace for all of an order's events, one span for each; the same whenever it is made."""
    return f"00-{_hex(correlation, 32)}-{_hex(event_id, 16)}-01"


def _hex(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
