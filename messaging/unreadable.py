"""What is on the log as it is read: an event, or a message that is none and must stop nobody."""

from kernel.envelope import NotAnEvent, read_event
from messaging.bus import Entry, Recorded, Unreadable, partition_of


def entry(raw: bytes, *, position: int, partition: int, correlation: str, type: str) -> Entry:
    """The event that these bytes are, if they are one and are filed as one of this order and this type."""
    try:
        event = read_event(raw)
    except NotAnEvent as error:
        return Unreadable(position, partition, raw, str(error), correlation, type)
    filed, own = (partition, correlation, type), (partition_of(event.correlationid), event.correlationid, event.type)
    if filed != own:
        why = f"it is filed as {type} of {correlation} in partition {partition}, and says {event.type} of {own[1]}"
        return Unreadable(position, partition, raw, why, correlation, type)
    return Recorded(position, event)
