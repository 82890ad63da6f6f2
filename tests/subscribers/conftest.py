import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.subscription import Subscription
from tests.databases import Databases
from tests.postgres import Postgres
from tests.subscribers.http_endpoint import HttpEndpoint, subscribed, to
from tests.subscribers.processes import Place
from tests.subscribers.smtp_server import SmtpUnderTest


@pytest.fixture(autouse=True)
def nobody_elses_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither from the environment nor from a `.env` file of the environment of the test run."""
    for name in list(os.environ):
        if name.upper().startswith(("NOTIFICATIONS__", "WEBHOOKS")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def context(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """What a subscriber is given: once with SQLite, once with PostgreSQL."""
    databases: Databases = request.getfixturevalue(f"{request.param}_databases")
    return Place(tmp_path, databases)


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


@pytest.fixture
def smtp_server() -> Iterator[SmtpUnderTest]:
    with SmtpUnderTest() as server:
        yield server


@pytest.fixture
def endpoint() -> Iterator[HttpEndpoint]:
    with HttpEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def place(sqlite_databases: Databases, tmp_path: Path) -> Place:
    """Where SQL does not matter."""
    return Place(tmp_path, sqlite_databases)


@pytest.fixture
def subscription(context: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint) -> Subscription:
    """Of the endpoint, to everything."""
    [subscription] = subscribed(context, monkeypatch, to(endpoint.url, per_second=1000))
    return subscription
