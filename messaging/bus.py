"""The bus, as everybody sees it: an append-only log of events that keeps all of them, and readers of it.

The log is the archive. Who has read how far is not the bus' business: a consumer keeps its own position, so that any of
them can be sent back to any point.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kernel.envelope import CloudEvent
from kernel.errors import UserError

# One order's events are all in one partition, and a consumer's partition is read by one process at a time. Never
# change the number under a log that has events: they would be looked for in other partitions.
PARTITIONS = 4


class BusDown(UserError):
    """The bus did not answer. What was appended may be on it: append it again."""

    def for_user(self) -> str:
        return f"the bus does not answer: {self}; see BUS_URL"


class EventRefused(UserError):
    """The bus will not take this event, now or later, and has appended none of those that came with it."""

    def __init__(self, event_id: str, why: str) -> None:
        super().__init__(f"the bus does not take {event_id}: {why}")
        self.event_id = event_id
        self.why = why


class WrongLog(Exception):
    """The log is not the one that a consumer has read, or lacks what it has not read yet. Why, in words for anybody."""


@dataclass(frozen=True)
class LogState:
    """Which log this is, and what it has.

    Attributes:
        id: given to it when it was made, and kept by its backups; a log that is made in its place has another.
        first: the position of the oldest event that it still has; the next one's when it has none.
        head: the position of the newest event; 0 of a log that is empty.
    """

    id: str
    first: int
    head: int


@dataclass(frozen=True)
class Mark:
    """What a consumer's position belongs to: the log, and the last event that was read of it.

    Empty as far as it is not known: nothing was read yet, or by release 0.1, which kept no marks.
    """

    log: str = ""
    position: int = 0
    event_id: str = ""


@dataclass(frozen=True)
class Recorded:
    """An event with its position in the log; positions grow, and may have gaps."""

    position: int
    event: CloudEvent

    @property
    def partition(self) -> int:
        return partition_of(self.event.correlationid)


@dataclass(frozen=True)
class Unreadable:
    """A message on the log that is no event, or none that this code can read: damaged, foreign, or of a later version.

    Attributes:
        raw: the message as it is.
        why: one line.
        correlation: the order that the log has it under; it may be any text.
        type: the type that the log has it under; it may be any text.
    """

    position: int
    partition: int
    raw: bytes
    why: str
    correlation: str
    type: str


Entry = Recorded | Unreadable


def readable(entries: Iterable[Entry]) -> list[Recorded]:
    """The events among them."""
    return [one for one in entries if isinstance(one, Recorded)]


class Reader(Protocol):
    """Reads one partition (or all of them) from a position on."""

    async def next(self, limit: int, wait: float) -> list[Entry]:
        """The next entries, in order: `limit` at most, none after `wait` seconds without any. Raises BusDown."""
        ...

    async def close(self) -> None: ...


class Bus(Protocol):
    async def append(self, events: Sequence[CloudEvent]) -> None:
        """Append in this order; an event whose id is on the log is not appended again (as long as the bus remembers).

        Raises:
            BusDown: the outcome is unknown; append the same again.
            EventRefused: one of them is more than the bus takes; nothing is appended.
        """
        ...

    async def read(self, partition: int | None, after: int) -> Reader:
        """A reader of what comes after this position, in one partition or in all. Raises BusDown."""
        ...

    async def of(self, correlation: str) -> list[Recorded]:
        """All events of one order, in order. Raises BusDown."""
        ...

    async def entries_of(self, correlation: str) -> list[Entry]:
        """As `of`, with what is filed under this order and cannot be read. Raises BusDown."""
        ...

    async def head(self) -> int:
        """The position of the newest event; 0 of an empty log. Raises BusDown."""
        ...

    async def state(self) -> LogState:
        """Which log it is, and what it has now. Raises BusDown."""
        ...

    async def id_at(self, position: int) -> str | None:
        """The id of the event at this position; None if there is none. Raises BusDown."""
        ...

    async def before(self, moment: datetime) -> int:
        """The position after which come all events that were recorded at this moment or later. Raises BusDown."""
        ...

    async def close(self) -> None: ...


def partition_of(correlation: str) -> int:
    return hashlib.sha256(correlation.encode()).digest()[0] % PARTITIONS
