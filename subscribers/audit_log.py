"""The audit log: every event in its public form, in a hash chain that makes changes detectable.

A row's hash covers its body and the previous row's hash. To change, remove, add or move a row, all later rows and the
head must be rewritten. To detect even that, keep the `head` in another place: a rewritten log does not have its hash.
Triggers prevent accidental changes; `verify` detects those of a user who can drop the triggers.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, Text, bindparam, insert, select, update

from kernel import inbox
from kernel.contracts import Contract
from kernel.database import Storage
from kernel.envelope import CloudEvent
from messaging.bus import Recorded
from messaging.subscription import Rule, Subscription
from subscribers.context import SubscriberContext
from subscribers.redaction import redacted, without_data

NAME = "audit-log"

_BATCH = 500
_ENOUGH_PROBLEMS = 100
_NOTHING_BEFORE = "0" * 64

metadata = MetaData()

entries = Table(
    "audit_entries",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 and so on, without gaps"),
    Column("event_id", String(200), nullable=False, unique=True),
    Column("position", BigInteger, nullable=False, comment="in the log of events"),
    Column("body", Text, nullable=False, comment="canonical JSON: number, position and the event"),
    Column("previous", String(64), nullable=False, comment="the hash of the entry before"),
    Column("hash", String(64), nullable=False, comment="SHA-256, in hex, of previous and body"),
)
head = Table(
    "audit_head",
    metadata,
    Column("number", BigInteger, nullable=False, comment="of the newest entry"),
    Column("hash", String(64), nullable=False),
)

# Built once: building a statement costs more than running it.
_LOCKED_HEAD = select(head).with_for_update()
_INSERT = insert(entries)
_MOVE_HEAD = update(head).values(number=bindparam("newest"), hash=bindparam("newest_hash"))

_APPEND_ONLY_SQLITE = [
    f"CREATE TRIGGER IF NOT EXISTS audit_entries_no_{verb} BEFORE {verb} ON audit_entries "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    for verb in ("UPDATE", "DELETE")
]
_APPEND_ONLY_POSTGRESQL = [
    "CREATE OR REPLACE FUNCTION audit_entries_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE OR REPLACE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_append_only()",
]


class Head(Contract):
    """The newest entry. A copy that is kept elsewhere shows later whether the log was rewritten."""

    number: int
    hash: str


class AuditLog:
    def __init__(self, database: Storage) -> None:
        self._database = database

    def open(self) -> None:
        """Create the tables, and the triggers that refuse changes, if they do not exist."""

        def make(tx: Connection) -> None:
            metadata.create_all(tx)
            inbox.make(tx)
            for statement in _APPEND_ONLY_SQLITE if self._database.is_sqlite else _APPEND_ONLY_POSTGRESQL:
                tx.exec_driver_sql(statement)
            if tx.execute(select(head)).first() is None:
                tx.execute(insert(head), {"number": 0, "hash": _NOTHING_BEFORE})

        self._database.alone(make)

    def handle(self, recorded: Recorded) -> None:
        """Raises UnknownEvent."""
        self.handle_all([recorded])

    def handle_all(self, several: Sequence[Recorded]) -> None:
        """In one transaction. Raises UnknownEvent."""
        public = {one.event.id: (one.position, redacted(one.event)) for one in several}
        with self._database.begin() as tx:
            new = inbox.receive(tx, [without_data(recorded.event) for recorded in several])
            if new:
                _append(tx, [public[event.id] for event in new])


def _append(tx: Connection, events: Iterable[tuple[int, CloudEvent]]) -> None:
    """Append these events, each with its position in the log of events."""
    # Locking the head's row makes other writers wait: each continues from the last committed entry.
    last = tx.execute(_LOCKED_HEAD).one()
    number, previous, rows = last.number, last.hash, list[dict[str, object]]()
    for position, event in events:
        number += 1
        body = _canonical({"number": number, "position": position, "event": event.model_dump(mode="json")})
        row = {"number": number, "event_id": event.id, "position": position, "body": body, "previous": previous}
        previous = _hash(previous, body)
        rows.append(row | {"hash": previous})
    tx.execute(_INSERT, rows)
    tx.execute(_MOVE_HEAD, {"newest": number, "newest_hash": previous})


def newest(database: Storage) -> Head | None:
    """The head; None when it is missing, which `verify` reports. Raises SQLAlchemyError."""
    with database.begin() as tx:
        row = tx.execute(select(head)).first()
    return Head(number=row.number, hash=row.hash) if row else None


def verify(database: Storage, since: int = 0) -> list[str]:
    """The log's problems: a line for each entry that was changed, removed, moved or forged; empty if it is intact.

    The log may be appended to meanwhile. Raises SQLAlchemyError before a subscriber has created its tables.

    Args:
        since: check only the newest entries, back to the events of this time (milliseconds since 1970).
    """
    problems: list[str] = []
    for problem in _problems(database, since):
        problems.append(problem)
        if len(problems) == _ENOUGH_PROBLEMS:
            return [*problems, "and perhaps more: the check stopped here"]
    return problems


def _problems(database: Storage, since: int) -> Iterator[str]:
    number, previous = _last_before(database, since) if since else (0, _NOTHING_BEFORE)
    while True:
        with database.begin() as tx:
            last = tx.execute(select(head)).first()  # read before the entries: none up to it can be missing yet
            query = select(entries).where(entries.c.number > number).order_by(entries.c.number).limit(_BATCH)
            batch = tx.execute(query).all()
        if not batch:
            break
        for row in batch:
            if row.number != number + 1:
                yield f"entries {number + 1} to {row.number - 1} are missing"
            if row.previous != previous:
                yield f"entry {row.number} does not continue the entry before it"
            if row.hash != _hash(row.previous, row.body):
                yield f"entry {row.number} was changed: its hash is another's"
            elif not _agrees(row.body, row.number, row.position, row.event_id):
                yield f"entry {row.number} was changed: its columns do not match its body"
            number, previous = row.number, row.hash
    if last is None:
        yield "the head is missing"
    elif last.number > number:
        yield f"entries {number + 1} to {last.number} are missing"
    elif last.number < number:
        yield f"entries {last.number + 1} to {number} were not appended by the audit log"
    elif last.hash != previous:
        yield f"entry {number} is not the one that was appended"
    with database.begin() as tx:
        logged = select(entries.c.event_id).where(entries.c.event_id == inbox.inbox.c.event_id)
        received = select(inbox.inbox.c.event_id).where(inbox.inbox.c.occurred_at >= since)
        lost = tx.scalars(received.where(~logged.exists()).limit(_ENOUGH_PROBLEMS)).all()
    yield from (f"{event_id} was logged, and is missing from the log" for event_id in lost)


def _last_before(database: Storage, since: int) -> tuple[int, str]:
    """The number and the hash of the entry after which the events of this time or later were appended.

    Partitions append side by side, and not in the order of time: it is the first whole batch of older ones.
    """
    query = select(entries).order_by(entries.c.number.desc()).limit(_BATCH)
    with database.begin() as tx:
        batch = tx.execute(query).all()
        while batch and not all(_is_before(row.body, since) for row in batch):
            batch = tx.execute(query.where(entries.c.number < batch[-1].number)).all()
    return (batch[0].number, batch[0].hash) if batch else (0, _NOTHING_BEFORE)


def _is_before(body: str, since: int) -> bool:
    """False if the entry is damaged: it is to be checked."""
    try:
        return datetime.fromisoformat(json.loads(body)["event"]["time"]).timestamp() * 1000 < since
    except (ValueError, KeyError, TypeError):
        return False


def _agrees(body: str, number: int, position: int, event_id: str) -> bool:
    try:
        said = json.loads(body)
        return (said["number"], said["position"], said["event"]["id"]) == (number, position, event_id)
    except (ValueError, KeyError, TypeError):
        return False


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _hash(previous: str, body: str) -> str:
    return hashlib.sha256(f"{previous}{body}".encode()).hexdigest()


def audit_log(context: SubscriberContext) -> Iterable[Subscription]:
    database = context.database(NAME)
    subscriber = AuditLog(database)
    subscriber.open()
    return [
        Subscription(
            NAME, Rule(), subscriber.handle, handle_all=subscriber.handle_all, handled=partial(inbox.known, database)
        )
    ]
