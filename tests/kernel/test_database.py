import sqlite3
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, inspect, make_url, text
from sqlalchemy.exc import IntegrityError

from kernel.database import Database, _prepare_sqlite
from kernel.inbox import inbox
from kernel.operations import operations
from kernel.outbox import outbox
from services import SERVICES
from tests.databases import Databases, migrations_of
from tests.services.together import at_once

ORDERED_BY = "Marked"
PROJECT = Path(__file__).parents[2]


def as_its_tables_say(service: str) -> MetaData:
    metadata = MetaData()
    for table in (
        *import_module(f"services.{service}.tables").metadata.tables.values(),
        operations,
        outbox,
        inbox,
    ):
        table.to_metadata(metadata)
    return metadata


def newest_revision(service: str) -> str | None:
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "kernel" / "migrations"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(PROJECT / "services" / service / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head()


def revisions(database: Database) -> list[str]:
    with database.begin() as tx:
        return list(tx.scalars(text("SELECT version_num FROM alembic_version")))


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_a_migrated_schema_is_what_the_tables_say(databases: Databases, service: str) -> None:
    database = databases.migrated(service)
    with database.begin() as tx:
        migrated = MigrationContext.configure(tx, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(migrated, as_its_tables_say(service)) == []
    assert revisions(database) == [newest_revision(service)]


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_migrations_make_the_checks_and_keys_that_the_tables_say(databases: Databases, service: str) -> None:
    """Which alembic's comparison does not look at."""
    migrated = inspect(databases.migrated(service).engine)
    for table in as_its_tables_say(service).tables.values():
        assert migrated.get_pk_constraint(table.name)["constrained_columns"] == table.primary_key.columns.keys()
        checks = {constraint.name for constraint in table.constraints if constraint.name}
        assert {check["name"] for check in migrated.get_check_constraints(table.name)} == checks


def test_a_migration_twice_changes_nothing(databases: Databases) -> None:
    database = databases.migrated("inventory")
    with database.begin() as tx:
        tx.execute(text("INSERT INTO stock VALUES ('mug', 1, 1)"))
    database.migrate(migrations_of("inventory"))
    with database.begin() as tx:
        assert tx.execute(text("SELECT * FROM stock")).all() == [("mug", 1, 1)]
    assert revisions(database) == [newest_revision("inventory")]


def test_many_threads_may_migrate_at_once(databases: Databases) -> None:
    opened = [databases.open("inventory") for _ in range(4)]
    assert at_once(*[partial(database.migrate, migrations_of("inventory")) for database in opened]) == [None] * 4
    assert revisions(opened[0]) == [newest_revision("inventory")]


def test_many_processes_may_migrate_at_once(databases: Databases) -> None:
    migrate = (
        "import sys; from kernel.database import Database; from tests.databases import migrations_of; "
        "sys.stdin.read(); database = Database(sys.argv[1]); "
        "database.migrate(migrations_of('inventory')); database.close()"
    )
    command = [sys.executable, "-c", migrate, databases.url("inventory")]
    processes = [
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    errors = [process.communicate(timeout=50)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    assert revisions(databases.open("inventory")) == [newest_revision("inventory")]


def test_a_block_that_ends_well_is_kept(databases: Databases) -> None:
    database = databases.migrated("inventory")
    with database.begin() as tx:
        tx.execute(text("INSERT INTO stock VALUES ('mug', 1, 1)"))
    with databases.open("inventory").begin() as tx:
        assert tx.execute(text("SELECT sku FROM stock")).all() == [("mug",)]


def test_a_block_that_fails_leaves_nothing(databases: Databases) -> None:
    database = databases.migrated("inventory")

    def receive_and_fail() -> None:
        with database.begin() as tx:
            tx.execute(text("INSERT INTO stock VALUES ('mug', 1, 1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        receive_and_fail()
    with database.begin() as tx:
        assert tx.execute(text("SELECT sku FROM stock")).all() == []


def test_a_change_of_schema_that_fails_leaves_nothing(databases: Databases) -> None:
    database = databases.open("inventory")

    def half_a_change(tx: Connection) -> None:
        tx.execute(text("CREATE TABLE half_done (id INTEGER)"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.alone(half_a_change)
    assert inspect(database.engine).get_table_names() == []


def test_threads_that_add_to_the_same_number_lose_nothing(databases: Databases) -> None:
    database = databases.migrated("inventory")
    with database.begin() as tx:
        tx.execute(text("INSERT INTO stock VALUES ('mug', 0, 0)"))

    def add_ten(database: Database) -> None:
        for _ in range(10):
            with database.begin() as tx:
                tx.execute(text("UPDATE stock SET on_hand = on_hand + 1"))

    others = [databases.open("inventory") for _ in range(2)]
    at_once(*[partial(add_ten, each) for each in (database, database, *others)])
    with database.begin() as tx:
        assert tx.scalar(text("SELECT on_hand FROM stock")) == 40


def test_sqlite_survives_a_power_cut_and_waits_its_turn(
    sqlite_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel.database._prepare_sqlite", _prepare_sqlite)  # as it is outside of these tests
    with sqlite_databases.open("inventory").begin() as tx:
        pragmas = [tx.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "busy_timeout")]
    assert pragmas == ["wal", 2, 30_000]  # 2 is FULL


def test_who_finds_a_new_sqlite_file_in_use_waits(sqlite_databases: Databases) -> None:
    """SQLite does not wait by itself for the change to WAL: without care, one of two that start together fails."""
    url = make_url(sqlite_databases.url("inventory"))
    first = sqlite3.connect(str(url.database), isolation_level=None)
    first.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as threads:
        migrating = threads.submit(sqlite_databases.migrated, "inventory")
        try:
            with pytest.raises(TimeoutError):
                migrating.result(timeout=0.3)
        finally:
            first.execute("ROLLBACK")
            first.close()
        assert revisions(migrating.result()) == [newest_revision("inventory")]


def test_a_reader_does_not_make_an_sqlite_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"orders\.db"):
        Database(f"sqlite:///{tmp_path}/orders.db", for_reading=True)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_an_sqlite_file_is_made(tmp_path: Path) -> None:
    file = tmp_path / "not" / "there" / "yet.db"
    database = Database(f"sqlite:///{file}")
    database.migrate(migrations_of("inventory"))
    database.close()
    assert file.exists()


def test_a_plain_postgresql_url_means_the_psycopg_driver(postgresql_databases: Databases) -> None:
    url = postgresql_databases.url("inventory").replace("postgresql+psycopg://", "postgresql://")
    database = Database(url)
    database.migrate(migrations_of("inventory"))
    assert revisions(database) == [newest_revision("inventory")]
    database.close()


def test_what_is_written_in_one_database_is_read_by_anything_else(databases: Databases) -> None:
    """Plain tables: a bookkeeper's own tools can read them."""
    databases.migrated("inventory")
    engine = create_engine(databases.url("inventory"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM stock")).all() == []
    engine.dispose()


def test_an_error_has_none_of_the_values_in_it(databases: Databases) -> None:
    """PostgreSQL says the whole row that it refuses, and SQLAlchemy the statement's parameters."""
    database = databases.open("inventory")
    with database.begin() as tx:
        tx.execute(text("CREATE TABLE people (name VARCHAR(40) UNIQUE, age INTEGER NOT NULL)"))
        tx.execute(text("INSERT INTO people VALUES (:name, 1)"), {"name": "Mx " + ORDERED_BY})
    for age in (None, 1):  # a row that is not whole, and one that is there already
        with pytest.raises(IntegrityError) as raised, database.begin() as tx:
            tx.execute(text("INSERT INTO people VALUES (:name, :age)"), {"name": "Mx " + ORDERED_BY, "age": age})
        found = "".join(traceback.format_exception(raised.value))
        assert "people" in found
        assert ORDERED_BY not in found
