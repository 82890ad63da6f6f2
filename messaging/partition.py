"""One consumer's turn at one partition: it reads on, runs one task per order, and saves safe positions."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from kernel.trouble import Trouble, described
from kernel.waiting import is_set_within
from messaging.bus import Bus, BusDown, Entry, Mark, Reader, Recorded, Unreadable
from messaging.growth import drop
from messaging.handling import HandlerPool, OrderQueue, reaction_and_cause
from messaging.log_check import begin, check
from messaging.progress import OWED, DeliveryFailure, FailureState, Progress
from messaging.quarantine import Quarantine
from messaging.subscription import NonRetryable, Subscription, Unavailable

_log = logging.getLogger(__name__)

_BATCH = 100
_UNDER_WAY = 200
_WAIT_SECONDS = 0.5
_GATHER_SECONDS = 0.1
_SAVE_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_CHECK_SECONDS = 10.0
_TURN_SECONDS = 2.0
_AFTER_TROUBLE_SECONDS = 1.0


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
        self._quarantine = Quarantine(progress)
        self._is_awaited = is_awaited
        self._ending = asyncio.Event()
        self._read_up_to = self._saved = 0
        self._mark = self._saved_mark = Mark()
        self._saved_at = self._asked_at = self._looked_at = self._checked_at = time.monotonic()
        self._open: dict[int, Recorded] = {}  # read and not handled yet, by position
        self._gathered: list[Recorded] = []  # to be handled together
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: dict[str, OrderQueue] = {}  # by order
        self._in_hand: set[str] = set()  # ids of the events that were started and are not finished
        self._on_record: set[str] = set()  # ids of those that have a row in `failures`
        self._set_aside: set[str] = set()
        self._available: dict[str, asyncio.Event] = {}  # set when the endpoint that an event waits for answers again
        self._failed_at: dict[str, float] = {}  # when each event in hand last failed, by a monotonic clock

    async def run(self) -> None:
        """Raises WrongLog."""
        progress, name = self._progress, self._subscription.name
        position, self._mark = await begin(self._bus, self._progress, self._subscription, self._partition)
        self._read_up_to = self._saved = position
        self._saved_mark = self._mark
        self._set_aside = await asyncio.to_thread(progress.set_aside, name, self._partition)
        await self._take_up_owed()
        reader = await self._bus.read(self._partition, self._saved)
        try:
            while not await self._is_over():
                if len(self._open) < _UNDER_WAY:
                    entries = await self._next(reader)
                    for entry in entries:
                        await self._take_up(entry)
                    await self._handle_gathered()
                    if not (entries or self._open):
                        await self._save()  # idle, so saving delays no event
                else:
                    await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                await self._now_and_then()
                self._trouble.over(f"partition {self._partition}")
        finally:
            self._ending.set()
            if self._tasks:
                await asyncio.wait(self._tasks)
            for event_id in self._in_hand:
                self._trouble.over(event_id)  # the partition's next holder will log it
            await reader.close()
            await self._save()

    async def _next(self, reader: Reader) -> list[Entry]:
        """The next entries; none as soon as the turn is to stop."""
        reading = asyncio.create_task(reader.next(_BATCH, _WAIT_SECONDS))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else []
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.wait((reading, stopping))

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
        await self._take_up_owed()

    async def _take_up_owed(self) -> None:
        """Start the owed events, before or after the position, whichever process tried them; requeued ones, too."""
        progress, name = self._progress, self._subscription.name
        busy = set(self._in_hand)  # taken first: an event that finishes during the query may still be in its result
        for failure in await asyncio.to_thread(progress.failures, *OWED, consumer=name, partition=self._partition):
            event = failure.recorded.event
            if not self._subscription.rule.fits(event):
                await asyncio.to_thread(drop, progress, failure)
            elif event.id not in busy | self._in_hand:
                self._on_record.add(event.id)
                self._set_aside.discard(event.id)
                self._start(failure.recorded)

    async def _save(self) -> None:
        position = min(self._open) - 1 if self._open else self._read_up_to
        mark = self._mark
        if (position, mark) != (self._saved, self._saved_mark):
            await asyncio.to_thread(self._progress.save, self._subscription.name, self._partition, position, mark)
            self._saved, self._saved_mark = position, mark
        self._saved_at = time.monotonic()

    async def _take_up(self, entry: Entry) -> None:
        if isinstance(entry, Unreadable):
            await self._set_unreadable_aside(entry)
            self._read_up_to = entry.position  # the mark stays at the last event: this message has no id
            return
        self._read_up_to = entry.position
        self._mark = Mark(self._mark.log, entry.position, entry.event.id)
        is_known = entry.event.id in self._in_hand | self._set_aside
        if self._subscription.rule.fits(entry.event) and not is_known:
            self._open[entry.position] = entry
            if self._subscription.handle_all and entry.event.correlationid not in self._queues:
                self._in_hand.add(entry.event.id)
                self._gathered.append(entry)
            else:
                self._start(entry)

    async def _handle_gathered(self) -> None:
        """Handle them in one transaction; if that fails, each alone, so that a bad event blocks no other."""
        gathered, self._gathered = self._gathered, []
        handle_all = self._subscription.handle_all
        if not gathered or handle_all is None:
            return
        try:
            async with self._pool.free:
                await self._pool.run_all(handle_all, gathered)
        except Exception:  # noqa: BLE001 - handling each alone finds, records and logs the one that fails
            for recorded in gathered:
                self._start(recorded)
            return
        for recorded in gathered:
            self._open.pop(recorded.position, None)
            self._in_hand.discard(recorded.event.id)
        self._handled()
        await is_set_within(self._stopping, _GATHER_SECONDS)

    async def _set_unreadable_aside(self, message: Unreadable) -> None:
        name = self._subscription.name
        if not self._subscription.rule.may_fit(message.type):
            return
        if await asyncio.to_thread(self._quarantine.add, name, message):
            _log.error("%s: message %d on the log cannot be read: %s", name, message.position, message.why)

    def _start(self, recorded: Recorded) -> None:
        self._in_hand.add(recorded.event.id)
        order = recorded.event.correlationid
        queue = self._queues.setdefault(order, OrderQueue())
        queue.add(recorded, self._subscription.may_overtake)
        if not queue.is_served:
            queue.is_served = True
            task = asyncio.create_task(self._serve(order, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, order: str, queue: OrderQueue) -> None:
        """One order's events, one at a time."""
        while queue.waiting and not self._ending.is_set():
            recorded = queue.waiting[0]
            try:
                pause = await self._handle(recorded)
            except Exception as error:  # noqa: BLE001 - logged and tried again; one event's failure must not stop the rest
                self._trouble.met(recorded.event.id, error)
                pause = _AFTER_TROUBLE_SECONDS
            if pause is None:
                self._trouble.over(recorded.event.id)
                queue.waiting.remove(recorded)
                self._open.pop(recorded.position, None)
                self._in_hand.discard(recorded.event.id)
                self._on_record.discard(recorded.event.id)
                self._failed_at.pop(recorded.event.id, None)
            else:
                await self._pause(queue, recorded, pause)
        queue.is_served = False
        if not queue.waiting:
            del self._queues[order]

    async def _pause(self, queue: OrderQueue, failing: Recorded, seconds: float) -> None:
        """Wait until the next attempt is due, another event comes first, the endpoint answers, or the turn ends."""
        until = time.monotonic() + seconds
        available = self._available.pop(failing.event.id, asyncio.Event())
        while queue.waiting[0] is failing and not self._ending.is_set():
            if queue.let_pass(self._subscription.may_overtake):
                return
            left = until - time.monotonic()
            if left <= 0 or available.is_set():
                return
            queue.news.clear()
            waiting = [asyncio.create_task(event.wait()) for event in (queue.news, self._ending, available)]
            await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()

    async def _handle(self, recorded: Recorded) -> float | None:
        """Make one attempt. None when the event is finished; else the seconds to wait before the next attempt."""
        name, event, progress = self._subscription.name, recorded.event, self._progress
        try:
            async with self._pool.free:
                if self._ending.is_set():
                    return 0  # not started
                await self._pool.run(self._subscription.handle, recorded)
        except Exception as raised:  # noqa: BLE001 - a handler may raise anything; it is recorded, then retried or dead
            reaction, error = reaction_and_cause(raised)
            now = time.monotonic()
            seconds = now - self._failed_at.get(event.id, now)
            self._failed_at[event.id] = now
            failure = await asyncio.to_thread(progress.failed, name, recorded, described(error), reaction, seconds)
            self._on_record.add(event.id)
            retry_policy = self._subscription.retry_policy(event)
            if failure.state is not FailureState.RETRYING:
                return None  # it became a dead letter, or was discarded, meanwhile
            if not isinstance(error, NonRetryable) and failure.tried_seconds < retry_policy.give_up_after:
                self._trouble.met(event.id, error, **_about(failure))
                if isinstance(error, Unavailable):
                    self._available[event.id] = self._pool.is_unavailable(event.id)
                return retry_policy.pause(failure.attempts)
            await self._mark_dead(failure)
        else:
            if event.id in self._on_record:
                await asyncio.to_thread(progress.settle, name, event.id)
            self._pool.is_available(event.id)
        self._handled()
        return None

    async def _mark_dead(self, failure: DeliveryFailure) -> None:
        """Publish before recording: a process that dies in between publishes again, so the event is never missing."""
        event = failure.recorded.event
        _log.error("%s: %s is a dead letter: %s", failure.consumer, event.id, failure.error, extra=_about(failure))
        of_order = await self._bus.of(event.correlationid)
        try:
            notice = self._subscription.on_dead_letter(failure, of_order)
            if notice:
                await self._bus.append([notice])
        except BusDown:
            raise
        except Exception as error:  # noqa: BLE001 - logged; the event still becomes a dead letter, which is seen
            _log.error("%s: nothing is published about %s: %s", failure.consumer, event.id, described(error))
        await asyncio.to_thread(self._progress.mark_dead, failure.consumer, event.id)
        self._set_aside.add(event.id)


def _about(failure: DeliveryFailure) -> dict[str, object]:
    """The fields for structured logs."""
    about: dict[str, object] = {"consumer": failure.consumer, "order": failure.recorded.event.correlationid}
    return about | {"reaction": failure.reaction, "attempt": failure.attempts}
