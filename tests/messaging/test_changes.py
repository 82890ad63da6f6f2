"""What is new is noticed without a query: after a nudge, and after a commit of any process."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event, text

from kernel.database import Database
from messaging.changes import Changes, gathering
from tests.messaging.conftest import SECONDS

_INSERT = "INSERT INTO things VALUES (1)"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'things.db'}")) as database:
        database.alone(lambda tx: tx.execute(text("CREATE TABLE things (n INTEGER)")))
        yield database


def here(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text(_INSERT))


def in_another_connection(database: Database) -> None:
    with closing(sqlite3.connect(str(database.url.database))) as other, other:
        other.execute(_INSERT)


def in_another_process(database: Database) -> None:
    code = f"import sqlite3; c = sqlite3.connect({database.url.database!r}); c.execute({_INSERT!r}); c.commit()"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("commit", [here, in_another_connection, in_another_process])
async def test_a_commit_ends_the_wait(database: Database, commit: Callable[[Database], None]) -> None:
    changes = Changes(database, 0.01, 0.01)
    for _ in range(3):
        changes.look()
        await asyncio.to_thread(commit, database)
        async with asyncio.timeout(SECONDS):
            await changes.wait()


async def test_commits_in_quick_succession_are_all_noticed(database: Database) -> None:
    """Also when the file's time cannot distinguish them."""
    event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    database.engine.dispose()  # the next connection is a fast one
    with database.begin() as tx:  # the file has its final size
        tx.execute(text("CREATE TABLE large AS SELECT zeroblob(8000000)"))
    changes = Changes(database, 0.001, 0.001)
    for _ in range(300):
        changes.look()
        here(database)
        assert changes.is_changed()


def test_a_file_that_was_changed_a_moment_ago_may_change_again_without_a_new_time(database: Database) -> None:
    here(database)
    file, now = f"{database.url.database}-wal", time.time()
    os.utime(file, (now, now))
    assert database.stamp() is None
    os.utime(file, (now - 60, now - 60))
    assert database.stamp() is not None


async def test_a_nudge_ends_the_wait(database: Database) -> None:
    changes = Changes(database, SECONDS, SECONDS)
    changes.look()
    changes.nudge()
    async with asyncio.timeout(SECONDS / 2):
        await changes.wait()


async def test_while_nothing_is_committed_there_is_nothing_new(database: Database) -> None:
    changes = Changes(database, 0.01, 0.01)
    async with asyncio.timeout(SECONDS):
        while changes.is_changed():  # a moment after a commit it is not certain
            changes.look()
            await asyncio.sleep(0.01)
    with database.begin() as tx:
        tx.execute(text("SELECT * FROM things"))  # a reading transaction changes nothing
    assert not changes.is_changed()
    waiting = asyncio.create_task(changes.wait())
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    waiting.cancel()


def test_the_longer_the_work_takes_the_longer_the_next_is_gathered() -> None:
    assert gathering(0.001, 0.1, 0.5) == 0.1
    assert 0.1 < gathering(0.05, 0.1, 0.5) < 0.5
    assert gathering(10, 0.1, 0.5) == 0.5
