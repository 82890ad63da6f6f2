"""What a lock keeps apart, and when it is let go: between the processes of one machine, and of several.

Run as `python -m tests.messaging.test_locks <folder or database URL> <name>`, it is a process that takes one.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from kernel.database import Database
from messaging.locks import FileLocks, Locks, PostgresLocks, held
from tests.databases import Databases
from tests.processes import until

PROJECT = Path(__file__).parents[2]
TAKEN = "taken"


class Place:
    """Where locks are: a folder, or a database."""

    def __init__(self, where: str, connect: Callable[[], Locks]) -> None:
        self.where = where
        self._connect = connect
        self._open: list[Locks] = []

    def locks(self) -> Locks:
        """Asked twice, they are another process's the second time."""
        locks = self._connect()
        self._open.append(locks)
        return locks

    def close(self) -> None:
        for locks in self._open:
            locks.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Place]:
    place = Place(str(tmp_path / "locks"), lambda: FileLocks(tmp_path / "locks"))
    yield place
    place.close()


@pytest.fixture
def database(postgresql_databases: Databases) -> Iterator[Place]:
    place = Place(postgresql_databases.url("locks"), lambda: PostgresLocks(postgresql_databases.open("locks").engine))
    yield place
    place.close()


@pytest.fixture(params=["folder", "database"])
def place(request: pytest.FixtureRequest) -> Place:
    fixture: Place = request.getfixturevalue(request.param)
    return fixture


@contextmanager
def process_with_lock(place: Place, name: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.messaging.test_locks", place.where, name],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            assert process.stdout.readline().strip() == TAKEN
            yield process
        finally:
            process.kill()


def test_a_lock_is_one_process_s_until_that_releases_it(place: Place) -> None:
    ours, theirs = place.locks(), place.locks()
    assert ours.take("relay-orders")
    assert not theirs.take("relay-orders")
    ours.release("relay-orders")
    assert theirs.take("relay-orders")
    assert not ours.take("relay-orders")


def test_locks_of_different_names_do_not_hinder_each_other(place: Place) -> None:
    ours, theirs = place.locks(), place.locks()
    assert ours.take("relay-orders")
    assert theirs.take("relay-payments")
    ours.release("relay-orders")
    assert not ours.take("relay-payments")


def test_who_has_a_lock_does_not_get_it_again(place: Place) -> None:
    locks = place.locks()
    assert locks.take("relay-orders")
    assert not locks.take("relay-orders")
    locks.release("relay-orders")
    assert locks.take("relay-orders")


def test_releasing_what_one_does_not_have_changes_nothing(place: Place) -> None:
    """As one may after the lock was lost with its session."""
    ours, theirs = place.locks(), place.locks()
    assert theirs.take("relay-orders")
    ours.release("relay-orders")
    assert not ours.take("relay-orders")


async def test_a_lock_is_held_for_the_block(place: Place) -> None:
    ours, theirs = place.locks(), place.locks()
    async with held(ours, "relay-orders") as is_ours:
        assert is_ours
        assert not theirs.take("relay-orders")
    assert theirs.take("relay-orders")


async def test_a_block_that_fails_releases_its_lock(place: Place) -> None:
    ours, theirs = place.locks(), place.locks()
    with pytest.raises(ZeroDivisionError):
        async with held(ours, "relay-orders"):
            raise ZeroDivisionError
    assert theirs.take("relay-orders")


async def test_who_does_not_get_a_lock_does_not_release_it(place: Place) -> None:
    """Nor where the holder uses the same locks, as the partitions of one consumer do."""
    locks, others = place.locks(), place.locks()
    assert locks.take("relay-orders")
    async with held(locks, "relay-orders") as is_ours:
        assert not is_ours
    assert not others.take("relay-orders")


async def test_closing_releases_all_and_not_for_good(place: Place) -> None:
    ours, theirs = place.locks(), place.locks()
    assert ours.take("relay-orders")
    assert ours.take("relay-payments")
    ours.close()
    await until(lambda: theirs.take("relay-orders"))
    assert ours.take("relay-payments")


def test_of_many_who_want_a_lock_at_once_one_gets_it(place: Place) -> None:
    everybody = [place.locks() for _ in range(6)]
    with ThreadPoolExecutor(12) as threads:
        took = list(threads.map(lambda locks: locks.take("relay-orders"), [*everybody, *everybody]))
    assert took.count(True) == 1


async def test_a_process_that_is_killed_lets_go(place: Place) -> None:
    locks = place.locks()
    with process_with_lock(place, "relay-orders") as process:
        assert not locks.take("relay-orders")
        process.send_signal(signal.SIGKILL)
        process.wait()
        await until(lambda: locks.take("relay-orders"))


async def test_a_lock_is_not_inherited_by_a_process_that_its_holder_starts(place: Place) -> None:
    """Or it would outlive its holder."""
    ours, theirs = place.locks(), place.locks()
    assert ours.take("relay-orders")
    with process_with_lock(place, "relay-payments"):
        ours.close()
        await until(lambda: theirs.take("relay-orders"))


def test_who_loses_the_database_loses_its_locks_and_may_take_them_again(
    database: Place, postgresql_databases: Databases
) -> None:
    ours, theirs = database.locks(), database.locks()
    assert ours.take("relay-orders")
    end_sessions(postgresql_databases)
    assert theirs.take("relay-orders")
    with pytest.raises(SQLAlchemyError):
        ours.release("relay-orders")
    assert not ours.take("relay-orders")
    theirs.release("relay-orders")
    assert ours.take("relay-orders")


def test_locks_can_be_closed_when_the_database_is_lost(database: Place, postgresql_databases: Databases) -> None:
    locks = database.locks()
    assert locks.take("relay-orders")
    end_sessions(postgresql_databases)
    locks.close()
    assert database.locks().take("relay-orders")


def end_sessions(databases: Databases) -> None:
    with databases.open("locks").begin() as tx:
        tx.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


def main(where: str, name: str) -> None:
    locks: Locks = PostgresLocks(Database(where).engine) if "://" in where else FileLocks(Path(where))
    assert locks.take(name)
    print(TAKEN, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
