"""Fresh logs, each with real storage: SQLite, PostgreSQL, and NATS JetStream."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from kernel.envelope import CloudEvent
from lab.servers.nats import NatsServer
from messaging import changes
from messaging.bus import Bus, Entry, Recorded, readable
from messaging.nats.log import NatsLog
from messaging.sql_log import SqlLog
from tests.databases import Databases
from tests.events import NOON as NOON
from tests.events import event as event
from tests.postgres import Postgres

SECONDS = 30  # for what takes a moment


@pytest.fixture(autouse=True)
def _no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new must be noticed by itself, not by the query that is due from time to time."""
    monkeypatch.setattr(changes, "_LONGEST_SECONDS", 3600)


class Log:
    """An empty log. Opened twice, it is another process's the second time: nothing is shared but the log."""

    def __init__(self, connect: Callable[[], Bus]) -> None:
        self._connect = connect

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Bus]:
        bus = self._connect()
        try:
            yield bus
        finally:
            await bus.close()


def events(order: str, numbers: range) -> list[CloudEvent]:
    return [event(order, number) for number in numbers]


def ids(entries: Sequence[Entry]) -> list[str]:
    return [each.event.id for each in readable(entries)]


async def read_all(bus: Bus, partition: int | None = None, after: int = 0) -> list[Recorded]:
    """All that is there."""
    reader = await bus.read(partition, after)
    there: list[Recorded] = []
    while more := await reader.next(100, wait=0):
        there += readable(more)
    await reader.close()
    return there


@pytest.fixture
def sqlite_databases(tmp_path: Path) -> Iterator[Databases]:
    made = Databases(lambda name: f"sqlite:///{tmp_path / name}.db")
    yield made
    made.close()


@pytest.fixture
def postgresql_databases(postgres_server: Postgres) -> Iterator[Databases]:
    with postgres_server.lend() as take:
        made = Databases(lambda _name: take())
        yield made
        made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    fixture: Databases = request.getfixturevalue(f"{request.param}_databases")
    return fixture


@pytest.fixture
def sqlite_log(sqlite_databases: Databases) -> Log:
    return sql_log(sqlite_databases)


@pytest.fixture
def postgresql_log(postgresql_databases: Databases) -> Log:
    return sql_log(postgresql_databases)


@pytest.fixture
def nats_log(nats_server: NatsServer) -> Log:
    stream = f"ORDERS_{uuid4().hex}"
    return Log(lambda: NatsLog(nats_server.url, stream))


@pytest.fixture(params=["sqlite", "postgresql", "nats"])
def log(request: pytest.FixtureRequest) -> Log:
    fixture: Log = request.getfixturevalue(f"{request.param}_log")
    return fixture


@pytest.fixture
async def bus(log: Log) -> AsyncIterator[Bus]:
    async with log.opened() as opened:
        yield opened


def sql_log(databases: Databases) -> Log:
    def connect() -> Bus:
        log = SqlLog(databases.open("events"))
        log.open()
        return log

    return Log(connect)
