"""A consumer at work: one order's events in order, different orders side by side, and no order stalls another.

Each partition is read by one process at a time. An event that fails is tried again with pauses, and what follows of its
order waits, but for what may go before it; after its patience it is a dead letter, and its order goes on. What was
handled is known by the inbox, so after a crash the reading begins at the last saved position, and what was done already
is absorbed.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from sqlalchemy.exc import SQLAlchemyError

from messaging.bus import PARTITIONS, Bus, BusDown
from messaging.locks import Locks
from messaging.partition import HandlerPool, PartitionSession, one_line
from messaging.progress import Progress
from messaging.subscription import Subscription

_log = logging.getLogger(__name__)

_QUEUE_SECONDS = 0.1
_QUIET_SECONDS = 30.0
_AFTER_TROUBLE_SECONDS = 1.0


class Consumer:
    """Works for one subscription until it is stopped.

    Args:
        handled: called after each event that was handled; what it published can be fetched.
    """

    def __init__(
        self,
        subscription: Subscription,
        bus: Bus,
        progress: Progress,
        locks: Locks,
        handled: Callable[[], None] = lambda: None,
    ) -> None:
        self._subscription = subscription
        self._bus = bus
        self._progress = progress
        self._hands = HandlerPool(subscription.name, subscription.at_once)
        self._handled = handled
        self._stopping = asyncio.Event()
        self._locks = locks
        self._trouble, self._complained_at = "", 0.0

    async def run(self) -> None:
        """Until `stop`; then what is under way is finished first."""
        try:
            await asyncio.gather(*(self._run_partition(partition) for partition in range(PARTITIONS)))
        finally:
            self._hands.close()

    def stop(self) -> None:
        self._stopping.set()

    @asynccontextmanager
    async def all_partitions(self) -> AsyncIterator[None]:
        """Hold all of them, so that no process reads for this subscription; whoever does lets go within its turn."""
        async with AsyncExitStack() as held:

            async def hold(lock: str) -> None:
                while not await self._in_turn(lock):
                    pass
                held.push_async_callback(asyncio.to_thread, self._locks.release, lock)

            await asyncio.gather(*(hold(f"{self._subscription.name}-{one}") for one in range(PARTITIONS)))
            yield

    async def _run_partition(self, partition: int) -> None:
        lock = f"{self._subscription.name}-{partition}"
        while not self._stopping.is_set():
            try:
                if await self._in_turn(lock):
                    try:
                        await self._turn(partition, lock).run()
                    finally:
                        await asyncio.to_thread(self._locks.release, lock)
                    await self._sleep(2 * _QUEUE_SECONDS)  # whoever waits for it has it now
            except (BusDown, SQLAlchemyError) as error:
                self._complain(one_line(error))
                await self._sleep(_AFTER_TROUBLE_SECONDS)

    def _complain(self, trouble: str) -> None:
        """All partitions meet the same trouble, again and again: one line of it is enough for a while."""
        if trouble != self._trouble or time.monotonic() > self._complained_at + _QUIET_SECONDS:
            _log.warning("%s: %s; trying again", self._subscription.name, trouble)
            self._trouble, self._complained_at = trouble, time.monotonic()

    def _turn(self, partition: int, lock: str) -> PartitionSession:
        return PartitionSession(
            self._subscription,
            partition,
            self._bus,
            self._progress,
            self._hands,
            self._stopping,
            lambda: self._is_awaited(lock),
            self._handled,
        )

    async def _in_turn(self, lock: str) -> bool:
        """Wait for the partition, first in the queue for it; whether it is ours."""
        if await asyncio.to_thread(self._locks.take, lock):
            return True
        queue = f"{lock}-next"
        if not await asyncio.to_thread(self._locks.take, queue):
            await self._sleep(1.0)
            return False
        try:
            while not self._stopping.is_set():
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
                await self._stopping.wait()
