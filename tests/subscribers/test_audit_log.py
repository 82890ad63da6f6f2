"""What an auditor finds, and what nobody can hide."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from kernel.database import Database
from messaging.subscription import Subscription
from subscribers.audit_log import AuditLog, audit_log, entries, newest, verify
from subscribers.redaction import UnknownEvent
from tests.databases import Databases, rows
from tests.services.together import wait_until_blocked
from tests.subscribers.processes import DiesOnce, Held, Place, deliver, deliver_until_handled, recorded
from tests.subscribers.samples import CARD, STREET, completed, created, declined, published, undeliverable

LOG = recorded([*completed("1"), *declined("2"), *undeliverable("3")])


def logging(place: Place) -> Subscription:
    [subscription] = audit_log(place)
    return subscription


def logged(place: Place) -> Database:
    """A log with some entries."""
    deliver(logging(place), LOG)
    return place.database("audit-log")


def tamper(database: Database, *statements: str) -> None:
    """As somebody who may do everything."""
    with database.begin() as tx:
        _disarm(tx)
        for statement in statements:
            tx.execute(text(statement))


def _disarm(tx: Connection) -> None:
    if tx.dialect.name == "sqlite":
        tx.execute(text("DROP TRIGGER audit_entries_no_UPDATE"))
        tx.execute(text("DROP TRIGGER audit_entries_no_DELETE"))
    else:
        tx.execute(text("DROP TRIGGER audit_entries_append_only ON audit_entries"))


def test_every_event_is_logged_once_in_an_unbroken_chain(context: Place) -> None:
    database = logged(context)
    deliver(logging(context), LOG)
    found = rows(database, entries, "number", "position", "event_id", "previous", "hash")
    assert [row[:3] for row in found] == [(one.position, one.position, one.event.id) for one in LOG]
    assert all(later[3] == earlier[4] for earlier, later in pairwise(found))
    assert verify(database) == []


def test_an_entry_has_the_envelope_and_the_style_and_nothing_private(context: Place) -> None:
    [first, *_] = rows(logged(context), entries, "number", "body")
    for part in ('"style":"orchestration"', '"causationid":"1:cause"', '"customer_id":"customer-1"'):
        assert part in first[1]
    everything = str(rows(context.database("audit-log"), entries, "body"))
    assert CARD not in everything
    assert STREET not in everything


def test_an_event_that_nobody_knows_is_not_logged_but_tried_again(context: Place) -> None:
    unknown = published(created()).model_copy(update={"type": "Rumour"})
    with pytest.raises(UnknownEvent):
        deliver(logging(context), recorded([unknown]))
    assert verify(context.database("audit-log")) == []


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET position = 7", "DELETE FROM audit_entries"])
def test_nothing_is_changed_or_deleted_by_accident(context: Place, statement: str) -> None:
    database = logged(context)
    with pytest.raises(DBAPIError, match="append-only"), database.begin() as tx:
        tx.execute(text(statement))
    assert verify(database) == []


def test_the_table_is_not_emptied_by_accident(postgresql_databases: Databases, tmp_path: Path) -> None:
    database = logged(Place(tmp_path, postgresql_databases))
    with pytest.raises(DBAPIError, match="append-only"), database.begin() as tx:
        tx.execute(text("TRUNCATE audit_entries"))
    assert verify(database) == []


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_entries SET body = replace(body, '2400', '1') WHERE number = 1", "entry 1 was changed"),
        ("UPDATE audit_entries SET body = 'no JSON' WHERE number = 4", "entry 4 was changed"),
        ("UPDATE audit_entries SET position = 99 WHERE number = 4", "entry 4 was changed: its columns"),
        ("UPDATE audit_entries SET event_id = 'other' WHERE number = 4", "entry 4 was changed: its columns"),
        ("UPDATE audit_entries SET hash = previous WHERE number = 4", "entry 4 was changed: its hash"),
        ("DELETE FROM audit_entries WHERE number = 1", "entries 1 to 1 are missing"),
        ("DELETE FROM audit_entries WHERE number BETWEEN 5 AND 7", "entries 5 to 7 are missing"),
        ("DELETE FROM audit_entries WHERE number > 10", "entries 11 to 16 are missing"),
        ("DELETE FROM audit_entries", "entries 1 to 16 are missing"),
        ("DELETE FROM audit_head", "the head is missing"),
        ("UPDATE audit_head SET number = 9", "entries 10 to 16 were not appended by the audit log"),
        ("UPDATE audit_head SET hash = 'other'", "entry 16 is not the one that was appended"),
    ],
)
def test_what_was_changed_or_taken_out_is_found(context: Place, statement: str, problem: str) -> None:
    database = logged(context)
    tamper(database, statement)
    assert any(found.startswith(problem) for found in verify(database)), verify(database)


def test_a_changed_entry_with_a_right_hash_is_found_by_the_next(context: Place) -> None:
    database = logged(context)
    forge(database, number=4, previous=hash_of(database, 3))
    assert verify(database) == ["entry 5 does not continue the entry before it"]


def test_a_forged_newest_entry_is_found_by_the_head(context: Place) -> None:
    database = logged(context)
    forge(database, number=16, previous=hash_of(database, 15))
    assert verify(database) == ["entry 16 is not the one that was appended"]


def test_a_fork_is_found(context: Place) -> None:
    database = logged(context)
    forge(database, number=16, previous=hash_of(database, 14))
    assert "entry 16 does not continue the entry before it" in verify(database)


def test_moved_entries_are_found(context: Place) -> None:
    database = logged(context)
    moves = [(4, 100), (5, 4), (100, 5)]
    tamper(database, *[f"UPDATE audit_entries SET number = {to} WHERE number = {was}" for was, to in moves])
    problems = verify(database)
    assert "entry 4 does not continue the entry before it" in problems
    assert "entry 5 was changed: its columns do not match its body" in problems


def test_newest_entries_taken_out_with_the_head_put_back_are_found_by_the_inbox(context: Place) -> None:
    database = logged(context)
    was = hash_of(database, 15)
    tamper(
        database,
        "DELETE FROM audit_entries WHERE number = 16",
        f"UPDATE audit_head SET number = 15, hash = '{was}'",
    )
    assert verify(database) == ["3:OrderRejected was logged, and is missing from the log"]


def test_a_log_recreated_is_found_by_a_head_that_was_kept_elsewhere(context: Place) -> None:
    kept = newest(logged(context))
    assert kept is not None
    assert (kept.number, kept.hash) == (16, hash_of(context.database("audit-log"), 16))


def test_a_wholly_spoilt_log_does_not_fill_the_screen(sqlite_databases: Databases, tmp_path: Path) -> None:
    place = Place(tmp_path, sqlite_databases)
    deliver(logging(place), recorded([event for number in range(40) for event in completed(str(number))]))
    tamper(place.database("audit-log"), "UPDATE audit_entries SET body = '{}'")
    assert len(verify(place.database("audit-log"))) == 101


def test_a_log_longer_than_one_batch_is_verified_to_its_end(
    sqlite_databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subscribers.audit_log._BATCH", 3)
    database = logged(Place(tmp_path, sqlite_databases))
    assert verify(database) == []
    tamper(database, "UPDATE audit_entries SET body = '{}' WHERE number = 14")
    assert verify(database) == ["entry 14 was changed: its hash is another's"]


@pytest.mark.parametrize("committed", [False, True])
def test_an_event_is_logged_once_though_the_database_is_lost_in_its_transaction(
    context: Place, committed: bool
) -> None:
    whole = logging(context)
    lost_once = DiesOnce(context.database("audit-log"), nth=2, committed=committed)
    deliver_until_handled(replace(whole, handle=AuditLog(lost_once).handle), LOG)
    assert lost_once.died
    assert len(rows(context.database("audit-log"), entries, "number")) == len(LOG)
    assert verify(context.database("audit-log")) == []


def test_who_appends_while_another_does_continues_its_entry(postgresql_databases: Databases, tmp_path: Path) -> None:
    place = Place(tmp_path, postgresql_databases)
    whole, database = logging(place), place.database("audit-log")
    held = Held(database)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(deliver, replace(whole, handle=AuditLog(held).handle), LOG[:1])
        assert held.is_held.wait(20)
        second = threads.submit(deliver, whole, LOG[1:2])
        wait_until_blocked(database, 1)
        held.let_go.set()
        first.result()
        second.result()
    assert rows(database, entries, "number", "event_id") == [(1, LOG[0].event.id), (2, LOG[1].event.id)]
    assert verify(database) == []


def test_many_processes_at_once_make_one_chain(context: Place) -> None:
    whole = logging(context)
    log = recorded([event for number in range(10) for event in completed(str(number))])
    others = [AuditLog(context.databases.open("audit-log")) for _ in range(4)]

    def append(number: int) -> None:
        deliver_until_handled(replace(whole, handle=others[number % 4].handle), [log[number]])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(append, [*range(len(log)), *range(len(log))]))
    database = context.database("audit-log")
    with database.begin() as tx:
        assert tx.scalar(select(func.count()).select_from(entries)) == len(log)
    assert verify(database) == []


def hash_of(database: Database, number: int) -> str:
    with database.begin() as tx:
        found: str = tx.execute(select(entries.c.hash).where(entries.c.number == number)).scalar_one()
        return found


def forge(database: Database, *, number: int, previous: str) -> None:
    """Another amount in an entry, and a hash that is right for it."""
    with database.begin() as tx:
        _disarm(tx)
        body = tx.execute(select(entries.c.body).where(entries.c.number == number)).scalar_one()
        forged = body.replace('"sequence":"0', '"sequence":"9')
        assert forged != body
        hash_ = hashlib.sha256(f"{previous}{forged}".encode()).hexdigest()
        change = {"body": forged, "previous": previous, "hash": hash_}
        tx.execute(entries.update().where(entries.c.number == number).values(change))
