"""The bus: an append-only log that keeps all events, and its readers.

The log is the archive. It does not track its readers: each consumer keeps its own position, so that any of them can be
sent back to any point.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kernel.envelope import CloudEvent
from kernel.errors import UserError

# All events of one order are in one partition, and each consumer reads a partition in one process at a time. Never
# change this number for a log that has events: consumers would look for them in other partitions.
PARTITIONS = 4


class BusDown(UserError):
    """The bus did not answer. The events may have been appended: append them again."""

    def for_user(self) -> str:
        return f"the bus does not answer: {self}; see BUS_URL"


class EventRefused(UserError):
    """The bus refuses this event permanently, and has appended none of the events of the same call."""

    def __init__(self, event_id: str, why: str) -> None:
        super().__init__(f"the bus does not take {event_id}: {why}")
        self.event_id = event_id
        self.why = why


class WrongLog(Exception):
    """The log is not the one that a consumer has read, or lacks events that it has not read. `str` is for users."""


@dataclass(frozen=True)
class LogState:
    """A log's identity and extent.

    Attributes:
        id: assigned when the log is created; its backups keep it, and a log created in its place has another.
        first: the position of the oldest event that is still there; of the next event, if there is none.
        head: the position of the newest event; 0 for an empty log.
    """

    id: str
    first: int
    head: int


@dataclass(frozen=True)
class Mark:
    """What a consumer's position refers to: the log, and the last event that the consumer read from it.

    Fields are empty where unknown: nothing was read yet, or the position is of release 0.1, which kept no marks.
    """

    log: str = ""
    position: int = 0
    event_id: str = ""


@dataclass(frozen=True)
class Recorded:
    """An event with its position in the log. Positions increase, and may have gaps."""

    position: int
    event: CloudEvent

    @property
    def partition(self) -> int:
        return partition_of(self.event.correlationid)


@dataclass(frozen=True)
class Unreadable:
    """A message on the log that this code cannot read as an event: damaged, foreign, or of a later version.

    Attributes:
        raw: the message's bytes, unchanged.
        why: the reason, in one line.
        correlation: the order under which the log files it; any text.
        type: the event type under which the log files it; any text.
    """

    position: int
    partition: int
    raw: bytes
    why: str
    correlation: str
    type: str


Entry = Recorded | Unreadable


def readable(entries: Iterable[Entry]) -> list[Recorded]:
    """The entries that are events."""
    return [one for one in entries if isinstance(one, Recorded)]


class Reader(Protocol):
    """Reads one partition, or all of them, from a position on."""

    async def next(self, limit: int, wait: float) -> list[Entry]:
        """The next entries, in order, at most `limit`; empty if none arrives within `wait` seconds. Raises BusDown."""
        ...

    async def close(self) -> None: ...


class Bus(Protocol):
    async def append(self, events: Sequence[CloudEvent]) -> None:
        """Append in this order. An event whose id the bus still remembers is not appended again.

        Raises:
            BusDown: the outcome is unknown; append the same events again.
            EventRefused: the bus does not take one of them; none is appended.
        """
        ...

    async def read(self, partition: int | None, after: int) -> Reader:
        """A reader of the entries after this position, in one partition, or in all (None). Raises BusDown."""
        ...

    async def of(self, correlation: str) -> list[Recorded]:
        """All events of one order, in order. Raises BusDown."""
        ...

    async def entries_of(self, correlation: str) -> list[Entry]:
        """As `of`, with the unreadable messages that are filed under this order. Raises BusDown."""
        ...

    async def head(self) -> int:
        """The position of the newest event; 0 of an empty log. Raises BusDown."""
        ...

    async def state(self) -> LogState:
        """The log's identity and extent now. Raises BusDown."""
        ...

    async def id_at(self, position: int) -> str | None:
        """The id of the event at this position; None if there is none. Raises BusDown."""
        ...

    async def before(self, moment: datetime) -> int:
        """The position to read on from to get all events recorded at this moment or later. Raises BusDown."""
        ...

    async def close(self) -> None: ...


def partition_of(correlation: str) -> int:
    return hashlib.sha256(correlation.encode()).digest()[0] % PARTITIONS
