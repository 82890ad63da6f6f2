"""Where subscribers work in tests, and the ways in which the bus, and fate, treat them."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from kernel.database import Database
from kernel.envelope import CloudEvent
from messaging.bus import Recorded
from messaging.subscription import Subscription
from tests.databases import Databases

_ATTEMPTS = 10
_LIMIT = 20  # seconds


class Place:
    """A subscriber's context. Each database is opened once, as by one process."""

    def __init__(self, data_dir: Path, databases: Databases) -> None:
        self.data_dir = data_dir
        self.databases = databases
        self._open: dict[str, Database] = {}

    def database(self, name: str) -> Database:
        if name not in self._open:
            self._open[name] = self.databases.open(name)
        return self._open[name]


class DiesOnce:
    """A database that is lost in its nth transaction, and is there again for the next one.

    Args:
        committed: whether the transaction was committed when it was lost, and only its answer was lost.
    """

    def __init__(self, database: Database, nth: int, *, committed: bool) -> None:
        self._database = database
        self._left = nth
        self._committed = committed
        self.died = False

    @property
    def is_sqlite(self) -> bool:
        return self._database.is_sqlite

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        self._left -= 1
        dies = self._left == 0
        self.died |= dies
        with self._database.begin() as tx:
            yield tx
            if dies and not self._committed:
                raise _lost()
        if dies:
            raise _lost()

    def alone(self, change: Callable[[Connection], Any]) -> None:
        self._database.alone(change)


class Held:
    """A database whose transactions are held just before they commit, until they are let go."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_held = threading.Event()
        self.let_go = threading.Event()

    @property
    def is_sqlite(self) -> bool:
        return self._database.is_sqlite

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._database.begin() as tx:
            yield tx
            self.is_held.set()
            assert self.let_go.wait(_LIMIT)

    def alone(self, change: Callable[[Connection], Any]) -> None:
        self._database.alone(change)


def _lost() -> OperationalError:
    return OperationalError("COMMIT", {}, Exception("the database went away"))


def recorded(events: Iterable[CloudEvent]) -> list[Recorded]:
    """As they come off the log, in this order."""
    return [Recorded(position, event) for position, event in enumerate(events, start=1)]


def deliver(subscription: Subscription, log: Sequence[Recorded]) -> None:
    """What the subscription is interested in, one after the other."""
    for one in log:
        if subscription.rule.fits(one.event):
            subscription.handle(one)


def deliver_until_handled(subscription: Subscription, log: Sequence[Recorded]) -> None:
    """The same, with an event that fails tried again, as the bus does."""
    for one in log:
        for attempt in range(_ATTEMPTS):
            try:
                deliver(subscription, [one])
                break
            except DBAPIError:
                assert attempt < _ATTEMPTS - 1
