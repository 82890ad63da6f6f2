"""Each operation has its effect at most once under its idempotency key, whatever is repeated, lost or late.

An operation has one row, written in the transaction of its effect, together with its event (the outbox) and the event
that it reacts to, if any (the inbox). A repeat reads the row and gets the first answer. An undo for a key that was
never seen writes a row too: a tombstone, by which a later `do` is refused.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from kernel import inbox, keys, outbox
from kernel.contracts import Command, Contract, Event, FailureEvent, Undo, Undone
from kernel.database import Database
from kernel.errors import AlreadyUndone, KeyReused, Outage, Refusal, TooLate

Clock = Callable[[], datetime]
A = TypeVar("A")
R = TypeVar("R", bound=Contract)

DONE, REFUSED, UNDONE, FORBIDDEN = "done", "refused", "undone", "forbidden"

operations = Table(
    "operations",
    MetaData(),
    Column("key", String(200), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("request", String(64), nullable=False, comment="digest of the first command"),
    Column("answer", Text, nullable=False, comment="the first reply as JSON, or the refusal's text"),
    Column("refusal", String(50), nullable=False, comment="the refusal's name, or empty"),
    Column("recorded_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("repeats", Integer, nullable=False, server_default="0", comment="requests after the first"),
    Index("ix_operations_recorded_at", "recorded_at"),
)

# Made once: building a statement costs more than running it.
_BY_KEY = select(operations).where(operations.c.key == bindparam("key"))
_LOCKED = _BY_KEY.with_for_update()
_REPEATED = update(operations).where(operations.c.key == bindparam("repeated")).values(repeats=operations.c.repeats + 1)
_INSERT = insert(operations)


def system_clock() -> datetime:
    return datetime.now(UTC)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970: both databases store and compare them in the same way."""
    return int(moment.timestamp() * 1000)


class Operations:
    """Runs one service's operations, each in one transaction, and records them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def do(
        self,
        command: Command,
        reply: type[R],
        effect: Callable[[Connection], tuple[R, Event]],
        refused: type[FailureEvent] | None = None,
    ) -> R:
        """Run `effect`, and record its answer and its event in the same transaction; or repeat the first answer.

        Args:
            refused: the event to publish when the effect raises a Refusal.

        Raises:
            Refusal: the effect's own, now or the first time; or AlreadyUndone, or KeyReused.
        """
        try:
            with self._transaction() as tx:
                first = self._repeated(tx, command)
                if first is None:
                    answer, event = effect(tx)
                    self._record(tx, command, DONE, answer.model_dump_json())
                    record_cause(tx, command)
                    self._publish(tx, command, event)
                    return answer
        except Refusal as refusal:
            # The effect is rolled back by now; the refusal is recorded in a new transaction.
            with self._transaction() as tx:
                first = self._repeated(tx, command)  # a concurrent repeat may have been quicker, and may have succeeded
                if first is None:
                    self._record(tx, command, REFUSED, str(refusal), refusal.name)
                    if refused:
                        record_cause(tx, command)
                        self._publish(tx, command, refused(reason=refusal.reason))
            if first is None:
                raise
        return _answer(first, command, reply)

    def ask_then_do(
        self,
        command: Command,
        reply: type[R],
        ask: Callable[[], A],
        effect: Callable[[Connection, A], tuple[R, Event]],
        refused: type[FailureEvent] | None = None,
    ) -> R:
        """`do` with a provider's answer. The provider is called before the transaction, and not for a repeat.

        Args:
            ask: calls the provider under the command's key, so that a second call is harmless if the first answer was
                not recorded. A Refusal that it raises is recorded as this operation's; other errors are not recorded.
        """
        with self._transaction() as tx:
            first = self._repeated(tx, command)
        if first is not None:
            return _answer(first, command, reply)
        try:
            answer = ask()
        except Refusal as refusal:
            final = refusal

            def refuse(_tx: Connection) -> tuple[R, Event]:
                raise final

            return self.do(command, reply, refuse, refused)
        return self.do(command, reply, lambda tx: effect(tx, answer), refused)

    def undo(self, command: Undo, effect: Callable[[Connection], Event], otherwise: Event) -> Undone:
        """Undo what was done under the key, once; or leave a tombstone.

        Args:
            otherwise: the event to publish if there was nothing to undo.

        Raises:
            Refusal: the effect's own. It is not recorded, since the undo may succeed later.
        """
        with self._transaction() as tx:
            row = self._find(tx, command.key, for_update=True)
            if row is not None and row.state == UNDONE:
                tx.execute(_REPEATED, {"repeated": command.key})
                record_cause(tx, command)
                return Undone.model_validate_json(row.answer)
            undone = Undone(had_effect=row is not None and row.state == DONE)
            if row is None:
                self._record(tx, command, UNDONE, undone.model_dump_json())
            event = effect(tx) if undone.had_effect else otherwise
            if row is not None:
                change = {"state": UNDONE, "answer": undone.model_dump_json(), "refusal": ""}
                tx.execute(update(operations).where(operations.c.key == command.key).values(change))
            record_cause(tx, command)
            self._publish(tx, command, event)
            return undone

    def forbid(self, command: Undo) -> None:
        """Prevent the operation, if it was not done yet, before a provider is called to undo it.

        Raises:
            TooLate: it was done already.
        """
        with self._transaction() as tx:
            row = self._find(tx, command.key, for_update=True)
            if row is None:
                self._record(tx, command, FORBIDDEN, Undone(had_effect=False).model_dump_json())
            elif row.state == DONE:
                raise TooLate(f"{command.key} was done already")

    def permit(self, key: str) -> None:
        """Revoke `forbid` for this key, if it was forbidden."""
        with self._transaction() as tx:
            tx.execute(delete(operations).where(operations.c.key == key, operations.c.state == FORBIDDEN))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._database.begin() as tx:
                yield tx
        except IntegrityError as error:
            raise Outage("the same key was answered at this very moment; ask again") from error

    def _repeated(self, tx: Connection, command: Command) -> Row[Any] | None:
        """The record of the first request, if this is a repeat. Repeats are counted."""
        row = self._find(tx, command.key)
        if row is not None:
            tx.execute(_REPEATED, {"repeated": command.key})
            if row.state == DONE:
                record_cause(tx, command)
        return row

    def _find(self, tx: Connection, key: str, *, for_update: bool = False) -> Row[Any] | None:
        return tx.execute(_LOCKED if for_update else _BY_KEY, {"key": key}).one_or_none()

    def _record(self, tx: Connection, command: Command, state: str, answer: str, refusal: str = "") -> None:
        row = {"key": command.key, "state": state, "request": _digest(command), "answer": answer, "refusal": refusal}
        tx.execute(_INSERT, row | {"recorded_at": milliseconds(self._clock()), "repeats": 0})

    def _publish(self, tx: Connection, command: Command, event: Event) -> None:
        publish(tx, event, command, milliseconds(self._clock()), event_id=keys.event_id(command.key, event.type()))


def record_cause(tx: Connection, command: Command) -> None:
    """Record in the inbox the event that the command reacts to; it takes effect if this transaction commits."""
    if command.cause:
        inbox.record(tx, command.cause)


def publish(tx: Connection, event: Event, command: Command, occurred_at: int, *, event_id: str) -> None:
    """Write the event to the outbox; it is published if this transaction commits. Its cause is the command's cause, or
    else the command."""
    outbox.write(
        tx,
        event_id=event_id,
        type=event.type(),
        correlation=command.order_id,
        causation=command.cause.id if command.cause else command.key,
        style=command.style,
        data=event.model_dump_json(),
        occurred_at=occurred_at,
    )


def _answer(row: Row[Any], command: Command, reply: type[R]) -> R:
    """The recorded answer. Raises the recorded Refusal, AlreadyUndone or KeyReused."""
    if row.state in (UNDONE, FORBIDDEN):
        raise AlreadyUndone(f"{command.key} was undone before this request arrived")
    if row.request != _digest(command):
        raise KeyReused(f"{command.key} was used before, with another content")
    if row.state == REFUSED:
        raise Refusal.named(row.refusal, row.answer)
    return reply.model_validate_json(row.answer)


def _digest(command: Command) -> str:
    # Defaults are left out, so that a field that is added later with a default does not change a retry's digest.
    content = command.model_dump_json(exclude_defaults=True, exclude=set(command.not_compared))
    return hashlib.sha256(content.encode()).hexdigest()
