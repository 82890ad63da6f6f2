"""Reads a message of the log: as an event, or as an unreadable message, which must not stop the consumer."""

from kernel.envelope import NotAnEvent, read_event
from messaging.bus import Entry, Recorded, Unreadable, partition_of


def entry(raw: bytes, *, position: int, partition: int, correlation: str, type: str) -> Entry:
    """The event in these bytes, if they are one and are filed under its own partition, order and type."""
    try:
        event = read_event(raw)
    except NotAnEvent as error:
        return Unreadable(position, partition, raw, str(error), correlation, type)
    filed, own = (partition, correlation, type), (partition_of(event.correlationid), event.correlationid, event.type)
    if filed != own:
        why = f"it is filed as {type} of {correlation} in partition {partition}, but is {event.type} of {own[1]}"
        return Unreadable(position, partition, raw, why, correlation, type)
    return Recorded(position, event)
