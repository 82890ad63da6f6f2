"""A running consumer: one order's events in sequence, different orders concurrently, and no order blocks another.

Each partition is read by one process at a time. A failing event is retried with pauses, and the later events of its
order wait, except those that may overtake it. After its deadline it becomes a dead letter, and its order goes on. After
a crash, the consumer resumes at its last saved position; its inbox absorbs the events that it has handled already.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from kernel.trouble import Trouble
from kernel.waiting import is_set_within
from messaging.bus import PARTITIONS, Bus, WrongLog
from messaging.handling import HandlerPool
from messaging.locks import Locks, held
from messaging.partition import PartitionSession
from messaging.progress import Progress
from messaging.subscription import Subscription

_log = logging.getLogger(__name__)

_QUEUE_SECONDS = 0.1
_AFTER_TROUBLE_SECONDS = 1.0


class Consumer:
    """Runs one subscription until it is stopped.

    Args:
        handled: called after each handled event: the events that its handler published can be relayed.
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
        self._handled = handled
        self._stopping = asyncio.Event()
        self._locks = locks
        self._trouble = Trouble(_log, subscription.name)
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Run until `stop`; handlers that are under way finish first."""
        pool = HandlerPool(self._subscription, self._stopping)
        try:
            await asyncio.gather(*(self._run_partition(partition, pool) for partition in range(PARTITIONS)))
        finally:
            pool.close()

    def stop(self) -> None:
        self._stopping.set()

    @asynccontextmanager
    async def all_partitions(self) -> AsyncIterator[None]:
        """Hold all partitions, so that no process reads for the subscription. A current reader yields in its turn."""
        async with AsyncExitStack() as all_of_them:

            async def hold(lock: str) -> None:
                while not await all_of_them.enter_async_context(held(self._locks, lock, self._queue_for)):
                    pass

            await asyncio.gather(*(hold(f"{self._subscription.name}-{one}") for one in range(PARTITIONS)))
            yield

    async def _run_partition(self, partition: int, pool: HandlerPool) -> None:
        lock = f"{self._subscription.name}-{partition}"
        while not self._stopping.is_set():
            try:
                async with held(self._locks, lock, self._queue_for) as is_ours:
                    if is_ours:
                        await self._session(partition, lock, pool).run()
                if is_ours:
                    await self._sleep(2 * _QUEUE_SECONDS)  # the process that waits for the partition takes it now
                self._trouble.over(f"partition {partition}")
            except WrongLog as wrong:
                self._refuse(str(wrong))
                await self._sleep(_AFTER_TROUBLE_SECONDS)
            except Exception as error:  # noqa: BLE001 - logged; one partition's failure must not stop the others
                self._trouble.met(f"partition {partition}", error)
                await self._sleep(_AFTER_TROUBLE_SECONDS)

    def _refuse(self, why: str) -> None:
        """Log the reason once: only a person can solve it."""
        if why not in self._refused:
            _log.error("%s: %s", self._subscription.name, why)
            self._refused.add(why)

    def _session(self, partition: int, lock: str, pool: HandlerPool) -> PartitionSession:
        return PartitionSession(
            self._subscription,
            partition,
            self._bus,
            self._progress,
            pool,
            self._stopping,
            lambda: self._is_awaited(lock),
            self._handled,
            self._trouble,
        )

    async def _queue_for(self, lock: str) -> bool:
        """Take the partition's lock, waiting for it as the only one in its queue; returns whether it was taken."""
        if await asyncio.to_thread(self._locks.take, lock):
            return True
        async with held(self._locks, f"{lock}-next") as is_next:
            while is_next and not self._stopping.is_set():
                if await asyncio.to_thread(self._locks.take, lock):
                    return True
                await self._sleep(_QUEUE_SECONDS)
        if not is_next:
            await self._sleep(1.0)
        return False

    async def _is_awaited(self, lock: str) -> bool:
        async with held(self._locks, f"{lock}-next") as is_free:
            return not is_free

    async def _sleep(self, seconds: float) -> None:
        await is_set_within(self._stopping, seconds)
