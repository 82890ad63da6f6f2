"""Readers of the log in SQL: those that are up to date share one query."""

import asyncio
import bisect
import itertools
import time
from typing import Protocol

from messaging.bus import BusDown, Entry
from messaging.changes import Changes

PAUSE_SECONDS = 0.01  # between two queries
_BATCH = 500
_REMEMBERED = 1_000


class Log(Protocol):
    """What readers need of the log. Both raise BusDown."""

    async def after(self, position: int, limit: int, partition: int | None = None) -> list[Entry]: ...
    async def head(self) -> int: ...


class Tail:
    """The newest events, read once for all readers of this process that are up to date."""

    def __init__(self, log: Log, changes: Changes) -> None:
        self._log = log
        self._changes = changes
        self._recent: list[Entry] = []
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        # Everything recorded after `start` and up to `end` is in `_recent`.
        self.start: int | None = None
        self.end = 0

    def after(self, position: int, partition: int | None, limit: int) -> list[Entry]:
        first = bisect.bisect_right(self._recent, position, key=_position)
        of_partition = (
            one
            for one in itertools.islice(self._recent, first, None)
            if partition is None or one.partition == partition
        )
        return list(itertools.islice(of_partition, limit))

    async def news(self, after: int, wait: float) -> None:
        """Wait until there is something after this position, or at most `wait` seconds. Raises BusDown."""
        deadline = time.monotonic() + wait
        while self.end <= after and (left := deadline - time.monotonic()) > 0:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
                self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
            asking = self._asking
            await asyncio.wait([asking], timeout=left)
            if asking.cancelled():
                raise BusDown("the log is closed")
            if asking.done():
                asking.result()

    async def _ask(self) -> None:
        """Wait for the next events, once for all waiting readers."""
        await asyncio.sleep(self._asked_at + PAUSE_SECONDS - time.monotonic())
        self._changes.look()
        if self.start is None:
            self.start = self.end = await self._log.head()
            return
        while not (events := await self._log.after(self.end, _BATCH)):
            await self._changes.wait()
            self._changes.look()
        self._asked_at = time.monotonic()
        self._changes.found()
        if len(events) == _BATCH:  # too many to keep: go on at the end, and let each reader query what it needs
            head = await self._log.head()  # meanwhile others read from memory, so it changes as a whole afterwards
            self._recent.clear()
            self.start = self.end = head
        else:
            self._recent += events
            self.end = events[-1].position
            if len(self._recent) > 2 * _REMEMBERED:
                self.start = self._recent[-_REMEMBERED - 1].position
                del self._recent[:-_REMEMBERED]

    async def close(self) -> None:
        if self._asking:
            self._asking.cancel()
            await asyncio.wait([self._asking])


class SqlReader:
    def __init__(self, log: Log, tail: Tail, partition: int | None, after: int) -> None:
        self._log = log
        self._tail = tail
        self._partition = partition
        self._after = after

    async def next(self, limit: int, wait: float) -> list[Entry]:
        deadline = time.monotonic() + wait
        events = await self._read(limit, from_memory=wait > 0)
        while not events and (left := deadline - time.monotonic()) > 0:
            await self._tail.news(self._after, left)
            events = await self._read(limit, from_memory=True)
        return events

    async def _read(self, limit: int, *, from_memory: bool) -> list[Entry]:
        start = self._tail.start
        if from_memory and start is not None and self._after >= start:
            events, read_up_to = self._tail.after(self._after, self._partition, limit), self._tail.end
        else:
            events, read_up_to = await self._log.after(self._after, limit, self._partition), start or 0
        self._after = events[-1].position if events else max(self._after, read_up_to)
        return events

    async def close(self) -> None:
        """Nothing to close."""


def _position(one: Entry) -> int:
    return one.position
