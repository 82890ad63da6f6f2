"""A consumer under test, which writes what it handles into a ledger of its own, with its inbox."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert

from kernel import inbox
from kernel.database import Database
from messaging.bus import Bus, Recorded
from messaging.consumer import Consumer
from messaging.locks import FileLocks
from messaging.progress import Progress
from messaging.subscription import RetryPolicy, Rule, Subscription
from tests.databases import rows
from tests.messaging.conftest import SECONDS

metadata = MetaData()
ledger = Table(
    "ledger",
    metadata,
    Column("line", Integer, primary_key=True),
    Column("correlation", String(64)),
    Column("event_id", String(200)),
)

Before = Callable[[Recorded], None]


class Listener:
    """One consumer's effects and progress. `before` runs before each effect, and may raise."""

    def __init__(self, folder: Path, name: str = "listener") -> None:
        self.folder = folder
        self.name = name
        self.database = Database(f"sqlite:///{folder}/{name}.db")
        self.database.alone(metadata.create_all)
        self.database.alone(inbox.metadata.create_all)
        self.progress = Progress(Database(f"sqlite:///{folder}/consumers.db"))
        self.progress.open()
        self.before: Before = lambda _recorded: None
        self.more: dict[str, Any] = {}
        self.batches: list[int] = []  # the sizes of those that succeeded

    def subscription(self, rule: Rule | None = None) -> Subscription:
        retry_policy = RetryPolicy(first=0.02, longest=0.05, give_up_after=1.0)
        settings: dict[str, Any] = {"retry_policy": lambda _event: retry_policy} | self.more
        return Subscription(name=self.name, rule=rule or Rule(), handle=self._handle, **settings)

    def _handle(self, recorded: Recorded) -> None:
        self.before(recorded)

        def effect(tx: Connection) -> None:
            row = {"correlation": recorded.event.correlationid, "event_id": recorded.event.id}
            tx.execute(insert(ledger), row)

        inbox.once(self.database, recorded.event, effect)

    def handle_all(self, several: Sequence[Recorded]) -> None:
        """In one transaction."""
        with self.database.begin() as tx:
            for one in inbox.receive(tx, [recorded.event for recorded in several]):
                tx.execute(insert(ledger), {"correlation": one.correlationid, "event_id": one.id})
            for recorded in several:
                self.before(recorded)
        self.batches.append(len(several))

    @asynccontextmanager
    async def at_work(self, bus: Bus, rule: Rule | None = None) -> AsyncIterator[asyncio.Task[None]]:
        """As in a process of its own: with locks and threads that nobody shares."""
        locks = FileLocks(self.folder / "locks")
        consumer = Consumer(self.subscription(rule), bus, self.progress, locks)
        task = asyncio.create_task(consumer.run())
        try:
            yield task
        finally:
            consumer.stop()
            await asyncio.wait([task])
            locks.close()

    def handled(self, order: str = "") -> list[str]:
        """What took effect, in its order."""
        lines = rows(self.database, ledger, "line", "correlation", "event_id")
        return [event_id for _, correlation, event_id in lines if order in ("", correlation)]

    async def has_handled(self, count: int, seconds: float = SECONDS) -> None:
        async with asyncio.timeout(seconds):
            while len(self.handled()) < count:
                await asyncio.sleep(0.05)

    def repeats(self) -> int:
        return sum(count for (count,) in rows(self.database, inbox.inbox, "repeats"))

    def close(self) -> None:
        self.database.close()
        self.progress.database.close()


class Gate:
    """Holds up one order's events until it is opened."""

    def __init__(self, order: str) -> None:
        self._order = order
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, recorded: Recorded) -> None:
        if recorded.event.correlationid == self._order:
            self.reached.set()
            assert self.open.wait(SECONDS)


async def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
