"""One turn of a consumer at one partition: reading on, a task for each order, and positions safe to begin at."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError

from kernel.environment import one_line
from messaging.bus import Bus, BusDown, Mark, Reader, Recorded
from messaging.log_check import begin, check
from messaging.progress import DeliveryFailure, FailureState, Progress
from messaging.subscription import Handler, MayOvertake, NonRetryable, ReactionFailed, Subscription

_log = logging.getLogger(__name__)

_BATCH = 100
_UNDER_WAY = 200
_WAIT_SECONDS = 0.5
_SAVE_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_CHECK_SECONDS = 10.0
_TURN_SECONDS = 2.0
_AFTER_TROUBLE_SECONDS = 1.0


class HandlerPool:
    """A consumer's threads, so many and no more, which it shares with nobody."""

    def __init__(self, name: str, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=name)
        self.free = asyncio.Semaphore(count)  # nothing waits in the pool's own queue, which nobody could stop

    async def run(self, handle: Handler, recorded: Recorded) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, handle, recorded)

    def close(self) -> None:
        self._threads.shutdown()


class PartitionSession:
    """One partition, from taking its lock to letting it go.

    Args:
        hands: where handlers run.
        stopping: set when the turn is to end, after what is under way.
        is_awaited: whether another process waits for the partition.
        handled: called after each event that was handled.
    """

    def __init__(
        self,
        subscription: Subscription,
        partition: int,
        bus: Bus,
        progress: Progress,
        hands: "HandlerPool",
        stopping: asyncio.Event,
        is_awaited: Callable[[], Awaitable[bool]],
        handled: Callable[[], None],
    ) -> None:
        self._subscription = subscription
        self._partition = partition
        self._bus = bus
        self._progress = progress
        self._hands = hands
        self._stopping = stopping
        self._handled = handled
        self._is_awaited = is_awaited
        self._ending = asyncio.Event()
        self._read_up_to = self._saved = 0
        self._mark = self._saved_mark = Mark()
        self._saved_at = self._asked_at = self._looked_at = self._checked_at = time.monotonic()
        self._open: dict[int, Recorded] = {}  # read, and not handled yet; by position
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: dict[str, _Queue] = {}  # by order
        self._failed: set[str] = set()

    async def run(self) -> None:
        """Raises WrongLog."""
        position, self._mark = await begin(self._bus, self._progress, self._subscription, self._partition)
        self._read_up_to = self._saved = position
        self._saved_mark = self._mark
        self._failed = {failure.recorded.event.id for failure in await self._failures(FailureState.RETRYING)}
        reader = await self._bus.read(self._partition, self._saved)
        try:
            while not await self._is_over():
                if len(self._open) < _UNDER_WAY:
                    events = await self._next(reader)
                    for recorded in events:
                        self._take_up(recorded)
                    if not (events or self._open):
                        await self._save()  # nothing is going on, so it costs nobody anything
                else:
                    await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                await self._now_and_then()
        finally:
            self._ending.set()
            if self._tasks:
                await asyncio.wait(self._tasks)
            await reader.close()
            await self._save()

    async def _next(self, reader: Reader) -> list[Recorded]:
        """What comes next, or nothing as soon as we are to stop."""
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
        for failure in await self._failures(FailureState.REQUEUED):
            if failure.recorded.event.id not in self._failed:
                self._failed.add(failure.recorded.event.id)
                self._start(failure.recorded)

    async def _failures(self, state: FailureState) -> list[DeliveryFailure]:
        progress, name = self._progress, self._subscription.name
        return await asyncio.to_thread(progress.failures, state, consumer=name, partition=self._partition)

    async def _save(self) -> None:
        position = min(self._open) - 1 if self._open else self._read_up_to
        mark = self._mark
        if (position, mark) != (self._saved, self._saved_mark):
            await asyncio.to_thread(self._progress.save, self._subscription.name, self._partition, position, mark)
            self._saved, self._saved_mark = position, mark
        self._saved_at = time.monotonic()

    def _take_up(self, recorded: Recorded) -> None:
        self._read_up_to = recorded.position
        self._mark = Mark(self._mark.log, recorded.position, recorded.event.id)
        if self._subscription.rule.fits(recorded.event):
            self._open[recorded.position] = recorded
            self._start(recorded)

    def _start(self, recorded: Recorded) -> None:
        order = recorded.event.correlationid
        queue = self._queues.setdefault(order, _Queue())
        queue.add(recorded)
        if not queue.is_served:
            queue.is_served = True
            task = asyncio.create_task(self._serve(order, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, order: str, queue: "_Queue") -> None:
        """One order's events, one at a time."""
        while queue.waiting and not self._ending.is_set():
            recorded = queue.waiting[0]
            try:
                pause = await self._handle(recorded)
            except (BusDown, SQLAlchemyError) as error:  # of our own records: nothing is known of the event
                _log.warning("%s: %s; going on in a moment", self._subscription.name, one_line(error)[:300])
                pause = _AFTER_TROUBLE_SECONDS
            if pause is None:
                queue.waiting.remove(recorded)
                self._open.pop(recorded.position, None)
            else:
                await self._pause(queue, pause)
        queue.is_served = False
        if not queue.waiting:
            del self._queues[order]

    async def _pause(self, queue: "_Queue", seconds: float) -> None:
        """Until the next attempt, or until something may go before it, or the turn ends."""
        until = time.monotonic() + seconds
        while not queue.let_pass(self._subscription.may_overtake) and not self._ending.is_set():
            left = until - time.monotonic()
            if left <= 0:
                return
            queue.news.clear()
            waiting = [asyncio.create_task(event.wait()) for event in (queue.news, self._ending)]
            await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()

    async def _handle(self, recorded: Recorded) -> float | None:
        """Make one attempt. None when the event is done with; else how many seconds to wait for the next."""
        name, event, progress = self._subscription.name, recorded.event, self._progress
        try:
            async with self._hands.free:
                if self._ending.is_set():
                    return 0  # not begun
                await self._hands.run(self._subscription.handle, recorded)
        except Exception as raised:  # noqa: BLE001 - whatever a handler raises is on record, and tried again or dead
            reaction, error = _reaction_and_cause(raised)
            failure = await asyncio.to_thread(progress.failed, name, recorded, _on_record(error), reaction)
            self._failed.add(event.id)
            retry_policy = self._subscription.retry_policy(event)
            if (
                not isinstance(error, NonRetryable)
                and time.time() < failure.first_failed_at + retry_policy.give_up_after
            ):
                _log.warning("%s: %s, attempt %d: %s", name, event.id, failure.attempts, failure.error)
                return retry_policy.pause(failure.attempts)
            await self._mark_dead(failure)
        else:
            if event.id in self._failed:
                await asyncio.to_thread(progress.settle, name, event.id)
                self._failed.discard(event.id)
        self._handled()
        return None

    async def _mark_dead(self, failure: DeliveryFailure) -> None:
        """Publish first: one that dies in between publishes it again, and nobody is left without a word."""
        event = failure.recorded.event
        _log.error("%s: %s is a dead letter: %s", failure.consumer, event.id, failure.error)
        says = self._subscription.on_dead_letter(failure, await self._bus.of(event.correlationid))
        if says:
            await self._bus.append([says])
        await asyncio.to_thread(self._progress.mark_dead, failure.consumer, event.id)
        self._failed.discard(event.id)


class _Queue:
    """One order's events that wait to be handled, the first of them under way."""

    def __init__(self) -> None:
        self.waiting: deque[Recorded] = deque()
        self.news = asyncio.Event()
        self.is_served = False

    def add(self, recorded: Recorded) -> None:
        self.waiting.append(recorded)
        self.news.set()

    def let_pass(self, may_overtake: MayOvertake) -> bool:
        """Whether one of those that wait has gone before the first."""
        first = self.waiting[0]
        for other in list(self.waiting)[1:]:
            if may_overtake(first.event, other.event):
                self.waiting.remove(other)
                self.waiting.appendleft(other)
                return True
        return False


def _reaction_and_cause(error: Exception) -> tuple[str, BaseException]:
    if isinstance(error, ReactionFailed):
        return error.reaction, error.__cause__ or error
    return "", error


def _on_record(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}"[:500]
