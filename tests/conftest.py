"""One Temporal dev server for the whole run, and one shop whose faults hit orders by their name."""

import faulthandler
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import alembic.command
import pytest
from hypothesis import settings
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from kernel.database import _prepare_sqlite
from lab.faults import OPERATIONS
from lab.servers.nats import NatsServer
from lab.servers.ports import free_ports
from lab.servers.temporal import DevServer
from lab.settings import LabSettings
from settings import Schedules
from tests.databases import Databases
from tests.migrations import Statements
from tests.postgres import NoPostgres, Postgres, postgres
from tests.shop import POLICY, ShopUnderTest, worker_running

# How long an example takes says more of the machine and its other work than of what is tested.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

# Worker processes under test get namespaces of their own, apart from the worker in this process.
NAMESPACES = (
    "default",
    "processes",
    "crashes",
    "deaths",
    "roles",
    "late",
    "nobody",
    "own",
    "stuck",
    "private",
    "unserved",
    "attention",
    "observed",
    "costs",
    "dead-in-place",
    "dead-queue",
    "slow",
    "moving",
    "scheduled",
    "page",
)

# An order named `down-payments.charge` meets that outage, and so on for every operation and kind.
FAULTS = ",".join(
    [
        f"{operation}={fault}@{name}-{operation}-*"
        for operation in OPERATIONS
        for name, fault in {
            "refused": "refuse",
            "refused-always": "refuse:*",
            "down-twice": "down:2",
            "down": "down:*",
            "lost": "lost",
            "lost-always": "lost:*",
            "slow": "slow:0.5",
            "slower": "slow:1.5",
        }.items()
    ]
    + ["payments.refund=refuse@two-undos-refused-*", "inventory.release=refuse@two-undos-refused-*"]
    + ["payments.refund=refuse@refused-and-down-*", "inventory.release=down:3@refused-and-down-*"]
    + ["payments.refund=refuse@refused-and-unflagged-*", "orders.flag=down:*@refused-and-unflagged-*"]
    + ["shipping.ship=slow:0.5@collected-*", "courier.cancel=refuse@collected-*"]
)


def pytest_configure() -> None:
    """The tests' settings and signals are their own, whatever the environment says in which they are run."""
    ours = {name.upper() for name in LabSettings.model_fields} | {"NOTIFICATIONS", "OPERATORS", "WEBHOOKS"}
    for name in list(os.environ):
        if name.partition("__")[0] in ours or name.startswith("TEMPORAL_"):
            del os.environ[name]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; its children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """A run that does not end by itself shows where it stands, and ends: a thread may be left that never returns."""
    faulthandler.dump_traceback_later(60, exit=True, file=sys.__stderr__ or sys.stderr)


def free_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="session", autouse=True)
def _quick_databases() -> Iterator[None]:
    """What is thrown away anyhow need not be flushed to disk, nor migrated step by step each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alembic.command, "upgrade", Statements(alembic.command.upgrade).upgrade)
        patch.setattr("kernel.database._prepare_sqlite", _prepare_unflushed)
        yield


def _prepare_unflushed(connection: sqlite3.Connection, record: object) -> None:
    _prepare_sqlite(connection, record)
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    """The settings of a running dev server."""
    folder: Path = tmp_path_factory.mktemp("server")
    nothing_scheduled = Schedules(reconciliation_every=0, audit_every=0)
    settings = LabSettings(
        data_dir=folder,
        temporal_port=free_port(),
        ui_port=free_port(),
        policy=POLICY,
        schedules=nothing_scheduled,
    )
    dev_server = DevServer(settings, NAMESPACES)
    dev_server.start()
    yield settings
    dev_server.stop()


@pytest.fixture(scope="session")
async def client(server: LabSettings) -> Client:
    return await client_of(server)


async def client_of(server: LabSettings, namespace: str = "default") -> Client:
    return await Client.connect(
        f"127.0.0.1:{server.temporal_port}", namespace=namespace, data_converter=pydantic_data_converter
    )


@pytest.fixture(scope="session")
async def shop(
    server: LabSettings, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ShopUnderTest]:
    """All tests' shop, with a worker that serves it."""
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("shop"), "faults": FAULTS})
    async with worker_running(client, settings):
        yield ShopUnderTest(settings, client)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One for the whole run, started by the first test that needs it."""
    try:
        with postgres() as server:
            yield server
    except NoPostgres as missing:
        pytest.fail(str(missing), pytrace=False)  # never skipped: half of what is promised would be untested


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One for the whole run, as the project configures it."""
    server = NatsServer(tmp_path_factory.mktemp("nats"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """The test's databases: once in SQLite, once in PostgreSQL."""
    fixture: Databases = request.getfixturevalue(f"{request.param}_databases")
    return fixture


@pytest.fixture
def sqlite_databases(tmp_path: Path) -> Iterator[Databases]:
    made = Databases(lambda name: f"sqlite:///{tmp_path / name}.db")
    yield made
    made.close()


@pytest.fixture
def postgresql_databases(postgres_server: Postgres) -> Iterator[Databases]:
    """For what SQLite's one writer rules out: two transactions side by side."""
    with postgres_server.lend() as take:
        made = Databases(lambda _name: take())
        yield made
        made.close()
