"""A consumer at work: one order's events in order, different orders side by side, and no order stalls another.

Each partition is read by one process at a time. An event that fails is tried again with pauses, and what follows of its
order waits, but for what may go before it; after its patience it is a dead letter, and its order goes on. What was
handled is known by the inbox, so after a crash the reading begins at the last saved position, and what was done already
is absorbed.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from sqlalchemy.exc import SQLAlchemyError

from messaging.bus import PARTITIONS, Bus, BusDown, Recorded
from messaging.envelope import CloudEvent
from messaging.locks import Locks
from messaging.progress import Failure, FailureState, Progress
from messaging.subscription import GivesWay, Subscription, WillNotHelp

_log = logging.getLogger(__name__)

_BATCH = 100
_UNDER_WAY = 200
_WAIT_SECONDS = 0.5
_SAVE_SECONDS = 0.5
_TURN_SECONDS = 2.0
_QUEUE_SECONDS = 0.1
_AFTER_TROUBLE_SECONDS = 1.0


class Consumer:
    """Works for one subscription until it is stopped.

    Args:
        threads: where handlers run.
        handled: called after each event that was handled; what it published can be fetched.
    """

    def __init__(
        self,
        subscription: Subscription,
        bus: Bus,
        progress: Progress,
        locks: Locks,
        threads: Executor,
        handled: Callable[[], None] = lambda: None,
    ) -> None:
        self.subscription = subscription
        self.bus = bus
        self.progress = progress
        self.threads = threads
        self.handled = handled
        self.stopping = asyncio.Event()
        self._locks = locks

    async def run(self) -> None:
        """Until `stop`; then what is under way is finished first."""
        await asyncio.gather(*(self._run_partition(partition) for partition in range(PARTITIONS)))

    def stop(self) -> None:
        self.stopping.set()

    @asynccontextmanager
    async def all_partitions(self) -> AsyncIterator[None]:
        """Hold all of them, so that no process reads for this subscription; whoever does lets go within its turn."""
        async with AsyncExitStack() as held:

            async def hold(lock: str) -> None:
                while not await self._in_turn(lock):
                    pass
                held.push_async_callback(asyncio.to_thread, self._locks.release, lock)

            await asyncio.gather(*(hold(f"{self.subscription.name}-{one}") for one in range(PARTITIONS)))
            yield

    async def _run_partition(self, partition: int) -> None:
        lock = f"{self.subscription.name}-{partition}"
        while not self.stopping.is_set():
            try:
                if await self._in_turn(lock):
                    try:
                        await _Turn(self, partition, lambda: self._is_awaited(lock)).run()
                    finally:
                        await asyncio.to_thread(self._locks.release, lock)
                    await self._sleep(2 * _QUEUE_SECONDS)  # whoever waits for it has it now
            except (BusDown, SQLAlchemyError) as error:
                _log.warning("%s: %s; going on in a moment", self.subscription.name, _one_line(error))
                await self._sleep(_AFTER_TROUBLE_SECONDS)

    async def _in_turn(self, lock: str) -> bool:
        """Wait for the partition, first in the queue for it; whether it is ours."""
        if await asyncio.to_thread(self._locks.take, lock):
            return True
        queue = f"{lock}-next"
        if not await asyncio.to_thread(self._locks.take, queue):
            await self._sleep(1.0)
            return False
        try:
            while not self.stopping.is_set():
                if await asyncio.to_thread(self._locks.take, lock):
                    return True
                await self._sleep(_QUEUE_SECONDS)
            return False
        finally:
            await asyncio.to_thread(self._locks.release, queue)

    async def _is_awaited(self, lock: str) -> bool:
        queue = f"{lock}-next"
        if await asyncio.to_thread(self._locks.take, queue):
            await asyncio.to_thread(self._locks.release, queue)
            return False
        return True

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()


class _Turn:
    """One partition, from taking its lock to letting it go."""

    def __init__(self, consumer: Consumer, partition: int, is_awaited: Callable[[], Awaitable[bool]]) -> None:
        self._consumer = consumer
        self._subscription = consumer.subscription
        self._partition = partition
        self._is_awaited = is_awaited
        self._ending = asyncio.Event()
        self._read_up_to = self._saved = 0
        self._saved_at = self._asked_at = time.monotonic()
        self._open: dict[int, Recorded] = {}  # read, and not handled yet; by position
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: dict[str, _Queue] = {}  # by order
        self._failed: set[str] = set()

    async def run(self) -> None:
        progress, name = self._consumer.progress, self._subscription.name
        self._read_up_to = self._saved = await asyncio.to_thread(progress.position, name, self._partition)
        self._failed = {failure.recorded.event.id for failure in await self._failures(FailureState.RETRYING)}
        reader = await self._consumer.bus.read(self._partition, self._saved)
        try:
            while not await self._is_over():
                if len(self._open) < _UNDER_WAY:
                    for recorded in await reader.next(_BATCH, _WAIT_SECONDS):
                        self._take_up(recorded)
                else:
                    await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                await self._now_and_then()
        finally:
            self._ending.set()
            if self._tasks:
                await asyncio.wait(self._tasks)
            await reader.close()
            await self._save()

    async def _is_over(self) -> bool:
        if self._consumer.stopping.is_set():
            return True
        if time.monotonic() < self._asked_at + _TURN_SECONDS:
            return False
        self._asked_at = time.monotonic()
        return await self._is_awaited()

    async def _now_and_then(self) -> None:
        if time.monotonic() < self._saved_at + _SAVE_SECONDS:
            return
        await self._save()
        for failure in await self._failures(FailureState.REQUEUED):
            if failure.recorded.event.id not in self._failed:
                self._failed.add(failure.recorded.event.id)
                self._start(failure.recorded)

    async def _failures(self, state: FailureState) -> list[Failure]:
        progress, name = self._consumer.progress, self._subscription.name
        return await asyncio.to_thread(progress.failures, state, consumer=name, partition=self._partition)

    async def _save(self) -> None:
        position = min(self._open) - 1 if self._open else self._read_up_to
        if position != self._saved:
            await asyncio.to_thread(self._consumer.progress.save, self._subscription.name, self._partition, position)
            self._saved = position
        self._saved_at = time.monotonic()

    def _take_up(self, recorded: Recorded) -> None:
        self._read_up_to = recorded.position
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
                _log.warning("%s: %s; going on in a moment", self._subscription.name, _one_line(error))
                pause = _AFTER_TROUBLE_SECONDS
            if pause is None:
                queue.waiting.remove(recorded)
                self._open.pop(recorded.position, None)
            elif not queue.let_pass(self._subscription.gives_way):
                await self._pause(queue, pause)
        queue.is_served = False
        if not queue.waiting:
            del self._queues[order]

    async def _pause(self, queue: "_Queue", seconds: float) -> None:
        """Shorter when something comes that may not have to wait, or when the turn ends."""
        queue.news.clear()
        waiting = [asyncio.create_task(event.wait()) for event in (queue.news, self._ending)]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _handle(self, recorded: Recorded) -> float | None:
        """Make one attempt. None when the event is done with; else how many seconds to wait for the next."""
        name, event, progress = self._subscription.name, recorded.event, self._consumer.progress
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._consumer.threads, self._subscription.handle, recorded)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is on record, and tried again or buried
            failure = await asyncio.to_thread(progress.failed, name, recorded, _one_line(error))
            self._failed.add(event.id)
            patience = self._subscription.patience(event)
            if not isinstance(error, WillNotHelp) and time.time() < failure.first_failed_at + patience.give_up_after:
                _log.warning("%s: %s, attempt %d: %s", name, event.id, failure.attempts, failure.error)
                return patience.pause(failure.attempts)
            await self._bury(event, failure)
        else:
            if event.id in self._failed:
                await asyncio.to_thread(progress.settle, name, event.id)
                self._failed.discard(event.id)
        self._consumer.handled()
        return None

    async def _bury(self, event: CloudEvent, failure: Failure) -> None:
        """Tell first: one that dies in between tells it again, and nobody is left without a word."""
        _log.error("%s: %s is a dead letter: %s", failure.consumer, event.id, failure.error)
        says = self._subscription.gave_up(event, failure)
        if says:
            await self._consumer.bus.append([says])
        await asyncio.to_thread(self._consumer.progress.bury, failure.consumer, event.id)
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

    def let_pass(self, gives_way: GivesWay) -> bool:
        """Whether one of those that wait has gone before the first."""
        first = self.waiting[0]
        for other in list(self.waiting)[1:]:
            if gives_way(first.event, other.event):
                self.waiting.remove(other)
                self.waiting.appendleft(other)
                return True
        return False


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
