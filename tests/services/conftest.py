from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.databases import Databases
from tests.services.postgres import Postgres


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
