"""The envelope of every event: CloudEvents 1.0, in its JSON format.

Its extensions: `correlationid` (the order), `causationid` (the event or command that caused it), `sequence` (its place
among its source's events) and `traceparent` are documented by CloudEvents; `style` is ours, and has who decides what
happens next.
"""

import hashlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, ValidationError

from kernel.mistakes import mistake

DATA_SCHEMA = "urn:order-saga:event:{type}"  # CloudEvents requires an absolute URI; a URN needs no host
_RELATIVE = re.compile(r"/docs/events/(\w+)\.schema\.json")  # as release 0.1 published it

_ID_LENGTH = 200


def _at_most(length: int, *, forbidden: str) -> Callable[[str], str]:
    """What every database and broker here can store. The schema does not have it: older archives may break it."""

    never = re.compile(forbidden).search

    def check(text: str) -> str:
        if not text or len(text) > length:
            raise ValueError(f"must have 1 to {length} characters")
        if never(text):
            raise ValueError("must not have control characters, or blanks in a name")
        return text

    return check


_Id = Annotated[str, AfterValidator(_at_most(_ID_LENGTH, forbidden=r"[\x00-\x1f\x7f]"))]
_CorrelationId = Annotated[str, AfterValidator(_at_most(64, forbidden=r"[\s\x00-\x1f\x7f]"))]
_TypeName = Annotated[str, AfterValidator(_at_most(50, forbidden=r"[\s\x00-\x1f\x7f]"))]


def _absolute(data_schema: str) -> str:
    """Read old events in today's form, so that all copies of one event are equal."""
    relative = _RELATIVE.fullmatch(data_schema)
    return DATA_SCHEMA.format(type=relative[1]) if relative else data_schema


class NotAnEvent(ValueError):
    """These bytes are not an event that this code can read; the text gives the reason in one line."""


class CloudEvent(BaseModel):
    """One event. `source` and `id` together are unique; `sequence` sorts as text."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    specversion: Literal["1.0"] = "1.0"
    id: _Id
    source: _Id
    type: _TypeName
    subject: _Id
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Annotated[_Id, AfterValidator(_absolute)]
    correlationid: _CorrelationId
    causationid: _Id
    sequence: _Id
    traceparent: _Id
    style: _Id
    data: dict[str, Any]


def read_event(raw: bytes | str) -> CloudEvent:
    """Parse an event's JSON. Raises NotAnEvent."""
    try:
        return CloudEvent.model_validate_json(raw)
    except ValidationError as error:
        raise NotAnEvent(mistake(error)) from None


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
    """Make an event of an order. Two events with the same `event_id` are the same event."""
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
    """An event that no outbox has: published now by a person, or by a consumer that gives up.

    An `event_id` that is too long is shortened, always in the same way.
    """
    return cloud_event(
        type,
        data,
        event_id=event_id if len(event_id) <= _ID_LENGTH else f"{event_id[: _ID_LENGTH - 33]}~{_hex(event_id, 32)}",
        source=source,
        correlation=correlation,
        causation=causation,
        style=style,
        at=datetime.now(UTC),
        sequence=time.time_ns(),
    )


def _sequence(number: int) -> str:
    """The extension's text for a position: it sorts like the number."""
    return f"{number:020}"


def _traceparent(correlation: str, event_id: str) -> str:
    """W3C trace context: one trace for each order, one span for each event. It is deterministic."""
    return f"00-{_hex(correlation, 32)}-{_hex(event_id, 16)}-01"


def _hex(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
