"""Batches: what all partitions of a consumer have waiting is handled in one transaction."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from kernel.waiting import is_set_within
from messaging.bus import Recorded
from messaging.changes import gathering

_GATHER_SECONDS = 0.1
_LONGEST_GATHER_SECONDS = 0.5


class Batches:
    """One consumer's batches, one at a time. While one is handled, and for a moment after it, the next is gathered.

    Args:
        handle_all: handles all of these events, or none.
        stopping: when it is set, nothing is gathered any more.
    """

    def __init__(self, handle_all: Callable[[Sequence[Recorded]], Awaitable[None]], stopping: asyncio.Event) -> None:
        self._handle_all = handle_all
        self._stopping = stopping
        self._turn = asyncio.Lock()
        self._gathered: list[Recorded] = []
        self._next: asyncio.Task[None] | None = None
        self._due_at = 0.0

    async def handle(self, events: Sequence[Recorded]) -> None:
        """Handle these events in the next batch. Raises what any event of the batch raises; then none was handled."""
        self._gathered += events
        if self._next is None:
            self._next = asyncio.create_task(self._handle_next())
        await asyncio.shield(self._next)

    async def _handle_next(self) -> None:
        async with self._turn:
            await is_set_within(self._stopping, self._due_at - time.monotonic())
            gathered, self._gathered, self._next = self._gathered, [], None
            began = time.monotonic()
            try:
                await self._handle_all(gathered)
            finally:
                ended = time.monotonic()
                self._due_at = ended + gathering(ended - began, _GATHER_SECONDS, _LONGEST_GATHER_SECONDS)

    def close(self) -> None:
        if self._next:
            self._next.cancel()
