"""Waits until a database may have new rows: for a nudge or a change of its file, without a query where possible."""

import asyncio
import time
from collections.abc import Hashable
from typing import Protocol

from kernel.waiting import is_set_within

_LONGEST_SECONDS = 1.0  # then a query is due in any case
_WORKING_SHARE = 1 / 6


class Stamped(Protocol):
    def stamp(self) -> Hashable | None:
        """A value that changes with every commit, of any process; None if only a query shows that."""
        ...


class Changes:
    """The changes of one database, for one reader in an event loop.

    Args:
        pause: seconds between two looks at the file; a database without one is queried instead.
        idle_pause: the pause doubles up to this while nothing is new.
    """

    def __init__(self, database: Stamped, pause: float, idle_pause: float) -> None:
        self._database = database
        self._shortest = pause
        self._longest = idle_pause
        self._pause = pause
        self._nudged = asyncio.Event()
        self._stamp: Hashable | None = None

    def nudge(self) -> None:
        """There may be something new."""
        self._nudged.set()

    def look(self) -> None:
        """Call this before each query: what is committed later ends the next `wait`."""
        self._nudged.clear()
        self._stamp = self._database.stamp()

    def is_changed(self) -> bool:
        """Whether there may be something new since `look`."""
        stamp = self._database.stamp()
        return self._nudged.is_set() or stamp is None or stamp != self._stamp

    def found(self) -> None:
        """Call this after a query that found something: more may follow soon."""
        self._pause = self._shortest

    async def gather(self, seconds: float) -> None:
        """Wait for this time for more, until a nudge."""
        await is_set_within(self._nudged, seconds)

    async def wait(self, seconds: float | None = None) -> None:
        """Call this after a query that found nothing: wait until there may be something new, or for this time."""
        deadline = time.monotonic() + (_LONGEST_SECONDS if seconds is None else seconds)
        while not await is_set_within(self._nudged, self._pause):
            self._pause = min(2 * self._pause, self._longest)
            if self.is_changed() or time.monotonic() >= deadline:
                return


def gathering(took: float, at_least: float, at_most: float) -> float:
    """How long to gather, in seconds, after work that took this long: the busier the process, the larger its batches.

    So a reader that always finds something works for a sixth of the time at most.
    """
    return min(at_most, max(at_least, took * (1 / _WORKING_SHARE - 1)))
