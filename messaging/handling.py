"""What a consumer's handlers run in, and how one order's events wait for each other."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from messaging.bus import Recorded
from messaging.subscription import Handler, MayOvertake, ReactionFailed


class HandlerPool:
    """A consumer's own threads, a fixed number."""

    def __init__(self, name: str, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=name)
        self.free = asyncio.Semaphore(count)  # nothing waits in the pool's own queue, which nobody could stop
        self._waiting: dict[str, asyncio.Event] = {}
        self._tried_early: set[str] = set()

    async def run(self, handle: Handler, recorded: Recorded) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, handle, recorded)

    async def run_all(self, handle_all: Callable[[Sequence[Recorded]], None], recorded: Sequence[Recorded]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, handle_all, recorded)

    def is_unavailable(self, event_id: str) -> asyncio.Event:
        """Set once another event is handled; once for each event, so that one that nobody takes keeps its pauses."""
        available = asyncio.Event()
        if event_id not in self._tried_early:
            self._waiting[event_id] = available
        return available

    def is_available(self, event_id: str) -> None:
        """This event was handled: what waited for that goes on."""
        self._waiting.pop(event_id, None)
        self._tried_early.discard(event_id)
        for waiting, available in self._waiting.items():
            self._tried_early.add(waiting)
            available.set()
        self._waiting.clear()

    def close(self) -> None:
        self._threads.shutdown()


class OrderQueue:
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


def reaction_and_cause(error: Exception) -> tuple[str, BaseException]:
    if isinstance(error, ReactionFailed):
        return error.reaction, error.__cause__ or error
    return "", error
