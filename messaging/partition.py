"""One consumer's turn at one partition: it reads on, has the events handled, and saves safe positions."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from kernel.trouble import Trouble
from messaging.attempts import Attempts
from messaging.bus import Bus, Entry, Mark, Reader, Recorded, Unreadable
from messaging.changes import Changes
from messaging.failure import OWED
from messaging.growth import drop
from messaging.handling import HandlerPool
from messaging.log_check import begin, check
from messaging.progress import Progress
from messaging.quarantine import Quarantine
from messaging.subscription import Subscription

_log = logging.getLogger(__name__)

_BATCH = 100
_UNDER_WAY = 200
_WAIT_SECONDS = 0.5
_SAVE_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_CHECK_SECONDS = 10.0
_TURN_SECONDS = 2.0


class PartitionSession:
    """One turn at a partition, from taking its lock to releasing it.

    Args:
        pool: runs the handlers.
        stopping: set when the turn is to end, once the handlers under way have finished.
        is_awaited: whether another process waits for the partition.
        handled: called after each handled event.
        trouble: the consumer's, for failures that are retried.
    """

    def __init__(
        self,
        subscription: Subscription,
        partition: int,
        bus: Bus,
        progress: Progress,
        pool: HandlerPool,
        stopping: asyncio.Event,
        is_awaited: Callable[[], Awaitable[bool]],
        handled: Callable[[], None],
        trouble: Trouble,
    ) -> None:
        self._subscription = subscription
        self._partition = partition
        self._bus = bus
        self._progress = progress
        self._pool = pool
        self._stopping = stopping
        self._handled = handled
        self._trouble = trouble
        self._attempts = Attempts(subscription, bus, progress, pool, handled, self._finished, trouble)
        self._quarantine = Quarantine(progress)
        self._is_awaited = is_awaited
        self._read_up_to = self._saved = 0
        self._mark = self._saved_mark = Mark()
        self._saved_at = self._asked_at = self._looked_at = self._checked_at = time.monotonic()
        self._open: dict[int, Recorded] = {}  # read and not handled yet, by position
        self._records = Changes(progress.database, _LOOK_SECONDS, _LOOK_SECONDS)
        self._is_owing = False

    async def run(self) -> None:
        """Raises WrongLog."""
        progress, name = self._progress, self._subscription.name
        position, self._mark = await begin(self._bus, self._progress, self._subscription, self._partition)
        self._read_up_to = self._saved = position
        self._saved_mark = self._mark
        self._attempts.set_aside = await asyncio.to_thread(progress.set_aside, name, self._partition)
        await self._take_up_owed()
        reader = await self._bus.read(self._partition, self._saved)
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            while not await self._is_over():
                if len(self._open) < _UNDER_WAY:
                    entries = await self._next(reader, stopped)
                    await self._handle_together([one for entry in entries if (one := await self._take_up(entry))])
                    if not (entries or self._open):
                        await self._save()  # idle, so saving delays no event
                else:
                    await self._attempts.one_ended()
                await self._now_and_then()
                self._trouble.over(f"partition {self._partition}")
        finally:
            stopped.cancel()
            await self._attempts.end()
            await reader.close()
            await self._save()

    async def _next(self, reader: Reader, stopped: "asyncio.Task[bool]") -> list[Entry]:
        """The next entries; none as soon as the turn is to stop."""
        reading = asyncio.create_task(reader.next(_BATCH, _WAIT_SECONDS))
        try:
            await asyncio.wait((reading, stopped), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else []
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait((reading,))

    async def _is_over(self) -> bool:
        if self._stopping.is_set():
            return True
        if time.monotonic() < self._asked_at + _TURN_SECONDS:
            return False
        self._asked_at = time.monotonic()
        return await self._is_awaited()

    async def _now_and_then(self) -> None:
        now = time.monotonic()
        if now > self._saved_at + _SAVE_SECONDS:
            await self._save()
        if now > self._checked_at + _CHECK_SECONDS:
            self._checked_at = now
            await check(self._bus, self._saved, self._mark, await self._bus.state())
        if now < self._looked_at + _LOOK_SECONDS:
            return
        self._looked_at = now
        if self._is_owing or self._records.is_changed():
            await self._take_up_owed()

    async def _take_up_owed(self) -> None:
        """Start the owed events, before or after the position, whichever process tried them; requeued ones, too."""
        progress, name = self._progress, self._subscription.name
        busy = set(self._attempts.in_hand)  # taken first: one that finishes during the query may still be in its result
        self._records.look()
        owed = await asyncio.to_thread(progress.failures, *OWED, consumer=name, partition=self._partition)
        self._is_owing = bool(owed)
        for failure in owed:
            if not self._subscription.rule.fits(failure.recorded.event):
                await asyncio.to_thread(drop, progress, failure)
            elif failure.id not in busy | self._attempts.in_hand:
                self._attempts.start_owed(failure)

    async def _save(self) -> None:
        position = min(self._open) - 1 if self._open else self._read_up_to
        mark = self._mark
        if (position, mark) != (self._saved, self._saved_mark):
            await asyncio.to_thread(self._progress.save, self._subscription.name, self._partition, position, mark)
            self._saved, self._saved_mark = position, mark
        self._saved_at = time.monotonic()

    async def _take_up(self, entry: Entry) -> Recorded | None:
        """Start the event, unless there is nothing to do. Returns it instead if it can be part of a batch."""
        if isinstance(entry, Unreadable):
            await self._set_unreadable_aside(entry)
            self._read_up_to = entry.position  # the mark stays at the last event: this message has no id
            return None
        event, attempts = entry.event, self._attempts
        self._read_up_to = entry.position
        self._mark = Mark(self._mark.log, entry.position, event.id)
        if not self._subscription.rule.fits(event) or event.id in attempts.in_hand | attempts.set_aside:
            return None
        self._open[entry.position] = entry
        if self._subscription.handle_all and not attempts.has_order(event.correlationid):
            attempts.in_hand.add(event.id)
            return entry
        attempts.start(entry)
        return None

    async def _handle_together(self, batch: list[Recorded]) -> None:
        """Handle them in one transaction; if that fails, each alone, so that a bad event blocks no other."""
        if not batch:
            return
        try:
            await self._pool.run_all(batch)
        except Exception:  # noqa: BLE001 - handling each alone finds, records and logs the one that fails
            for recorded in batch:
                self._attempts.start(recorded)
            return
        for recorded in batch:
            self._attempts.in_hand.discard(recorded.event.id)
            self._finished(recorded)
        self._handled()

    async def _set_unreadable_aside(self, message: Unreadable) -> None:
        name = self._subscription.name
        if not self._subscription.rule.may_fit(message.type):
            return
        if await asyncio.to_thread(self._quarantine.add, name, message):
            _log.error("%s: message %d on the log cannot be read: %s", name, message.position, message.why)

    def _finished(self, recorded: Recorded) -> None:
        self._open.pop(recorded.position, None)
