"""Each operation at most once in effect under its key, whatever is repeated, lost or late.

One row an operation, written in the transaction of its effect, with its event (the outbox) and the
event that it answers, if it answers one (the inbox). A repeat reads the row and gets the first answer. An undo for a
key that was never seen writes the row too: a tombstone, which refuses the `do` that comes after it.
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
)

# Made once: building a statement costs more than running it.
_BY_KEY = select(operations).where(operations.c.key == bindparam("key"))
_LOCKED = _BY_KEY.with_for_update()
_REPEATED = update(operations).where(operations.c.key == bindparam("repeated")).values(repeats=operations.c.repeats + 1)
_INSERT = insert(operations)


def system_clock() -> datetime:
    return datetime.now(UTC)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, which both databases store and compare alike."""
    return int(moment.timestamp() * 1000)


class Operations:
    """The record of one service's operations, and the transaction that each of them is."""

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
        """Run `effect` in one transaction with the record of its answer and its event, or repeat the first answer.

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
            # What the effect wrote is rolled back by now; the answer stays.
            with self._transaction() as tx:
                first = self._repeated(tx, command)  # a twin may have been quicker, and luckier
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
        """`do` with what an outside provider answers. It is asked before the transaction, and not for a repeat.

        Args:
            ask: asks under the command's key, so that asking again is harmless where the answer was not recorded;
                the Refusal that it raises is recorded as this operation's, and nothing else that it raises is.
        """
        with self._transaction() as tx:
            first = self._repeated(tx, command)
        if first is not None:
            return _answer(first, command, reply)
        try:
            answer = ask()
        except Refusal as refusal:
            no = refusal

            def refuse(_tx: Connection) -> tuple[R, Event]:
                raise no

            return self.do(command, reply, refuse, refused)
        return self.do(command, reply, lambda tx: effect(tx, answer), refused)

    def undo(self, command: Undo, effect: Callable[[Connection], Event], otherwise: Event) -> Undone:
        """Take back what was done under the key, once; or leave a tombstone.

        Args:
            otherwise: the event to publish when there was nothing to take back.

        Raises:
            Refusal: the effect's own. It is not recorded: what cannot be undone now may be undone later.
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
        """See to it that what was not done yet will not be, before anybody outside is asked about it.

        Raises:
            TooLate: it was done.
        """
        with self._transaction() as tx:
            row = self._find(tx, command.key, for_update=True)
            if row is None:
                self._record(tx, command, FORBIDDEN, Undone(had_effect=False).model_dump_json())
            elif row.state == DONE:
                raise TooLate(f"{command.key} was done already")

    def permit(self, key: str) -> None:
        """Take back that the key was forbidden, if it was."""
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
        """The record of the first time, if this is a repeat; which is counted."""
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
    """Note the event that the command answers, if this transaction commits."""
    if command.cause:
        inbox.record(tx, command.cause)


def publish(tx: Connection, event: Event, command: Command, occurred_at: int, *, event_id: str) -> None:
    """Publish it if this transaction commits. Its cause is another event, or else the command itself."""
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
    """The first answer again. Raises the Refusal that it was, AlreadyUndone or KeyReused."""
    if row.state in (UNDONE, FORBIDDEN):
        raise AlreadyUndone(f"{command.key} was undone before this request arrived")
    if row.request != _digest(command):
        raise KeyReused(f"{command.key} was used before, with another content")
    if row.state == REFUSED:
        raise Refusal.named(row.refusal, row.answer)
    return reply.model_validate_json(row.answer)


def _digest(command: Command) -> str:
    # Without defaults, so that a field added with one does not make a retry look like another request.
    content = command.model_dump_json(exclude_defaults=True, exclude=set(command.not_compared))
    return hashlib.sha256(content.encode()).hexdigest()
