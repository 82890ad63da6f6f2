"""Each operation at most once in effect under its key, whatever is repeated, lost or late.

One row an operation, written in the transaction of its effect. A repeat reads the row and gets the first answer. An
undo for a key that was never seen writes the row too: a tombstone, which refuses the `do` that comes after it.
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
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from services.contracts import Command, Contract, Undo, Undone
from services.database import Database
from services.errors import AlreadyUndone, KeyReused, Outage, Refusal

Clock = Callable[[], datetime]
R = TypeVar("R", bound=Contract)

DONE, REFUSED, UNDONE = "done", "refused", "undone"

operations = Table(
    "operations",
    MetaData(),
    Column("key", String(200), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("request", String(64), nullable=False, comment="digest of the first command"),
    Column("answer", Text, nullable=False, comment="the first reply as JSON, or the refusal's text"),
    Column("refusal", String(50), nullable=False, comment="the refusal's name, or empty"),
    Column("recorded_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
)

# Made once: building a statement costs more than running it.
_BY_KEY = select(operations).where(operations.c.key == bindparam("key"))
_LOCKED = _BY_KEY.with_for_update()


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

    def first_answer(self, command: Command, reply: type[R]) -> R | None:
        """The reply already given under this key, if any; raises the refusal if that was the answer.

        For operations that must ask an outside company before their transaction: what is known needs no asking.
        """
        with self._transaction() as tx:
            return self._first_answer(tx, command, reply)

    def do(self, command: Command, reply: type[R], effect: Callable[[Connection], R]) -> R:
        """Run `effect` in one transaction with the record of its answer, or repeat the first answer.

        Raises:
            Refusal: the effect's own, now or the first time; or AlreadyUndone, or KeyReused.
        """
        try:
            with self._transaction() as tx:
                answer = self._first_answer(tx, command, reply)
                if answer is None:
                    answer = effect(tx)
                    self._record(tx, command, DONE, answer.model_dump_json())
                return answer
        except (AlreadyUndone, KeyReused):
            raise
        except Refusal as refusal:
            # What the effect wrote is rolled back by now; the answer stays.
            with self._transaction() as tx:
                answer = self._first_answer(tx, command, reply)  # a twin may have been quicker, and luckier
                if answer is None:
                    self._record(tx, command, REFUSED, str(refusal), type(refusal).__name__)
            if answer is None:
                raise
            return answer

    def undo(self, command: Undo, effect: Callable[[Connection], None]) -> Undone:
        """Take back what was done under the key, once; or leave a tombstone.

        Raises:
            Refusal: the effect's own. It is not recorded: what cannot be undone now may be undone later.
        """
        with self._transaction() as tx:
            row = self._find(tx, command.key, for_update=True)
            if row is not None and row.state == UNDONE:
                return Undone.model_validate_json(row.answer)
            undone = Undone(had_effect=row is not None and row.state == DONE)
            if row is None:
                self._record(tx, command, UNDONE, undone.model_dump_json())
                return undone
            if undone.had_effect:
                effect(tx)
            change = {"state": UNDONE, "answer": undone.model_dump_json(), "refusal": ""}
            tx.execute(update(operations).where(operations.c.key == command.key).values(change))
            return undone

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._database.begin() as tx:
                yield tx
        except IntegrityError as error:
            raise Outage("the same key was answered at this very moment; ask again") from error

    def _first_answer(self, tx: Connection, command: Command, reply: type[R]) -> R | None:
        row = self._find(tx, command.key)
        if row is None:
            return None
        if row.state == UNDONE:
            raise AlreadyUndone(f"{command.key} was undone before this request arrived")
        if row.request != _digest(command):
            raise KeyReused(f"{command.key} was used before, with another content")
        if row.state == REFUSED:
            raise Refusal.named(row.refusal, row.answer)
        return reply.model_validate_json(row.answer)

    def _find(self, tx: Connection, key: str, *, for_update: bool = False) -> Row[Any] | None:
        return tx.execute(_LOCKED if for_update else _BY_KEY, {"key": key}).one_or_none()

    def _record(self, tx: Connection, command: Command, state: str, answer: str, refusal: str = "") -> None:
        row = {"key": command.key, "state": state, "request": _digest(command), "answer": answer, "refusal": refusal}
        tx.execute(insert(operations), row | {"recorded_at": milliseconds(self._clock())})


def _digest(command: Command) -> str:
    # Without defaults, so that a field added with one does not make a retry look like another request.
    return hashlib.sha256(command.model_dump_json(exclude_defaults=True).encode()).hexdigest()
