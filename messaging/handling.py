"""The threads that a consumer's handlers run in, and the queue of one order's events."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from messaging.batches import Batches
from messaging.bus import Recorded
from messaging.subscription import MayOvertake, ReactionFailed, Subscription


class HandlerPool:
    """A consumer's own threads, a fixed number.

    Args:
        stopping: when it is set, batches are not gathered any more.
    """

    def __init__(self, subscription: Subscription, stopping: asyncio.Event) -> None:
        self._subscription = subscription
        self._threads = ThreadPoolExecutor(subscription.at_once, thread_name_prefix=subscription.name)
        self._batches = Batches(self._handle_all, stopping)
        # Keeps the executor's own queue empty: what waits there cannot be stopped.
        self.free = asyncio.Semaphore(subscription.at_once)
        self._waiting: dict[str, asyncio.Event] = {}
        self._tried_early: set[str] = set()

    async def run(self, recorded: Recorded) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._subscription.handle, recorded)

    async def run_all(self, events: Sequence[Recorded]) -> None:
        """Handle these events, and what else is waiting, in one transaction. If it fails, none was handled."""
        await self._batches.handle(events)

    async def _handle_all(self, events: Sequence[Recorded]) -> None:
        assert self._subscription.handle_all
        async with self.free:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._subscription.handle_all, events)

    def is_unavailable(self, event_id: str) -> asyncio.Event:
        """Set once another event is handled. An event is retried early once only; then it keeps its pauses."""
        available = asyncio.Event()
        if event_id not in self._tried_early:
            self._waiting[event_id] = available
        return available

    def is_available(self, event_id: str) -> None:
        """This event was handled: retry early the events that wait for that."""
        self._waiting.pop(event_id, None)
        self._tried_early.discard(event_id)
        for waiting, available in self._waiting.items():
            self._tried_early.add(waiting)
            available.set()
        self._waiting.clear()

    def close(self) -> None:
        self._batches.close()
        self._threads.shutdown()


class OrderQueue:
    """One order's unhandled events; the first is handled next."""

    def __init__(self) -> None:
        self.waiting: deque[Recorded] = deque()
        self.news = asyncio.Event()
        self.is_served = False

    def add(self, recorded: Recorded, may_overtake: MayOvertake) -> None:
        """A requeued event comes before the later ones, which may depend on it, except those that may overtake it."""
        behind = (
            place
            for place, other in enumerate(self.waiting)
            if other.position > recorded.position and not may_overtake(recorded.event, other.event)
        )
        self.waiting.insert(next(behind, len(self.waiting)), recorded)
        self.news.set()

    def let_pass(self, may_overtake: MayOvertake) -> bool:
        """Whether a waiting event was moved before the first."""
        first = self.waiting[0]
        for other in list(self.waiting)[1:]:
            if may_overtake(first.event, other.event):
                self.waiting.remove(other)
                self.waiting.appendleft(other)
                return True
        return False


def reaction_and_cause(error: Exception) -> tuple[str, BaseException]:
    if isinstance(error, ReactionFailed):
        return error.reaction, error.__cause__ or error
    return "", error
