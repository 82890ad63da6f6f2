"""How far each consumer is, and which events it could not handle; in a database of the consumers' own.

What a consumer owes follows from these records alone: the events after its position that have no row in `failures`,
and the rows that are retrying or requeued, wherever its position is (messaging/failure.py has the states of a row).
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from kernel.database import Database
from kernel.envelope import NotAnEvent, read_event
from messaging.bus import PARTITIONS, Mark, Recorded
from messaging.failure import (
    ENTERED_FROM,
    SET_ASIDE,
    DeliveryFailure,
    FailureState,
    delivery_failure,
    failures,
    metadata,
    of_event,
    recoveries,
    recovery,
)

_MIGRATIONS = Path(__file__).with_name("migrations") / "consumers"

positions = Table(
    "positions",
    metadata,
    Column("consumer", String(100), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False, comment="everything up to here is handled, or a dead letter"),
    Column("log", String(64), nullable=False, server_default="", comment="empty: not known yet"),
    Column("last_read", BigInteger, nullable=False, server_default="0", comment="its position; 0: none"),
    Column("last_event", String(200), nullable=False, server_default="", comment="its id"),
    Column("rules", Text, nullable=False, server_default="", comment="JSON, see messaging/growth.py"),
)


class Progress:
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def database(self) -> Database:
        return self._database

    def open(self) -> None:
        """Bring the tables up to date."""
        self._database.migrate(_MIGRATIONS)

    def position(self, consumer: str, partition: int) -> int | None:
        """The consumer's position in this partition; None if it has never read there."""
        with self._database.begin() as tx:
            return tx.scalar(select(positions.c.position).where(*_place(consumer, partition)))

    def positions(self, consumer: str) -> dict[int, int]:
        """The consumer's position in every partition; 0 where it has never read."""
        return dict.fromkeys(range(PARTITIONS), 0) | self.begun(consumer)

    def begun(self, consumer: str) -> dict[int, int]:
        """The consumer's position in each partition that it has begun to read."""
        with self._database.begin() as tx:
            rows = tx.execute(select(positions).where(positions.c.consumer == consumer))
            return {row.partition: row.position for row in rows}

    def marks(self, consumer: str) -> dict[int, Mark]:
        """The marks of the consumer's positions, in each partition that it has begun to read."""
        with self._database.begin() as tx:
            rows = tx.execute(select(positions).where(positions.c.consumer == consumer))
            return {row.partition: Mark(row.log, row.last_read, row.last_event) for row in rows}

    def save(self, consumer: str, partition: int, position: int, mark: Mark | None = None) -> None:
        """Save the position. Without a mark, the stored mark stays: the position moves within the same log."""
        change: dict[str, Any] = {"position": position}
        if mark:
            change |= {"log": mark.log, "last_read": mark.position, "last_event": mark.event_id}
        with self._database.begin() as tx:
            moved = tx.execute(update(positions).where(*_place(consumer, partition)).values(change))
            if moved.rowcount == 0:
                tx.execute(insert(positions), {"consumer": consumer, "partition": partition} | change)

    def failed(
        self, consumer: str, recorded: Recorded, error: str, reaction: str = "", seconds: float = 0
    ) -> DeliveryFailure:
        """Record one more failed attempt. A dead letter, or a discarded event, keeps its state.

        Args:
            reaction: the id of the reaction that failed, if known.
            seconds: since this process saw the previous attempt fail; 0 if it did not.
        """
        event = recorded.event
        with self._database.begin() as tx:
            row = tx.execute(select(failures).where(*of_event(consumer, event.id))).one_or_none()
            if row is None:
                new = {"consumer": consumer, "event_id": event.id, "position": recorded.position}
                new |= {"partition": recorded.partition, "correlation": event.correlationid}
                new |= {"event": event.model_dump_json(), "state": FailureState.RETRYING, "attempts": 1}
                tx.execute(
                    insert(failures), new | {"error": error, "reaction": reaction, "first_failed_at": time.time()}
                )
            elif row.state in ENTERED_FROM[FailureState.RETRYING]:
                change: dict[str, Any] = {"attempts": row.attempts + 1, "error": error, "state": FailureState.RETRYING}
                change["reaction"] = reaction or row.reaction
                change["tried_seconds"] = row.tried_seconds + seconds
                if row.state == FailureState.REQUEUED:  # its deadline starts again
                    change |= {"first_failed_at": time.time(), "tried_seconds": 0}
                tx.execute(update(failures).where(*of_event(consumer, event.id)).values(change))
            row = tx.execute(select(failures).where(*of_event(consumer, event.id))).one()
            return delivery_failure(row, recorded)

    def mark_dead(self, consumer: str, event_id: str) -> bool:
        """Make an event in retry a dead letter; returns whether it is one now."""
        return self._move(consumer, event_id, state=FailureState.DEAD)

    def requeue(self, consumer: str, event_id: str) -> bool:
        """Have a dead letter handled again; returns whether it was one."""
        return self._move(consumer, event_id, state=FailureState.REQUEUED)

    def send_again(self, consumer: str, recorded: Recorded) -> None:
        """Have this consumer handle an event once more, whatever its state."""
        event = recorded.event
        row: dict[str, Any] = {"position": recorded.position, "partition": recorded.partition, "attempts": 0}
        row |= {"correlation": event.correlationid, "event": event.model_dump_json(), "error": ""}
        row |= {"state": FailureState.REQUEUED, "first_failed_at": time.time(), "reaction": "", "tried_seconds": 0}
        with self._database.begin() as tx:
            if tx.execute(update(failures).where(*of_event(consumer, event.id)).values(row)).rowcount == 0:
                tx.execute(insert(failures), row | {"consumer": consumer, "event_id": event.id})

    def discard(self, consumer: str, event_id: str, note: str) -> bool:
        """Never handle this dead letter or unreadable message; the note is kept. Returns whether it was one."""
        return self._move(consumer, event_id, state=FailureState.DISCARDED, error=note)

    def settle(self, consumer: str, event_id: str) -> None:
        """The event was handled, or settled by hand: it is owed no more, and its failed attempts stay on record."""
        here = (*of_event(consumer, event_id), failures.c.state != FailureState.DISCARDED)
        with self._database.begin() as tx:
            row = tx.execute(select(failures).where(*here)).one_or_none()
            if row is None:
                return
            tx.execute(delete(failures).where(*here))
            before = (recoveries.c.consumer == consumer, recoveries.c.event_id == event_id)
            tx.execute(delete(recoveries).where(*before))
            if row.attempts:
                kept = {column.name: getattr(row, column.name) for column in recoveries.c if column.name in failures.c}
                tx.execute(insert(recoveries), kept | {"recovered_at": time.time()})

    def recovered(self, correlation: str) -> list[DeliveryFailure]:
        """The failed deliveries of an order that were handled, or settled by hand, since; the oldest first."""
        query = select(recoveries).where(recoveries.c.correlation == correlation)
        with self._database.begin() as tx:
            rows = tx.execute(query.order_by(recoveries.c.first_failed_at)).all()
        return [recovery(row) for row in rows]

    def failures(
        self, *states: FailureState, consumer: str = "", partition: int | None = None, correlation: str = ""
    ) -> list[DeliveryFailure]:
        """The failures in one of these states (of this consumer, about this order), oldest event first."""
        found = []
        for row in self.rows(states, consumer, partition, correlation):
            try:
                found.append(delivery_failure(row, Recorded(row.position, read_event(row.event))))
            except NotAnEvent as error:  # the record is damaged, or of another version
                self._quarantine_row(row, str(error))
        return found

    def set_aside(self, consumer: str, partition: int) -> set[str]:
        """The ids of the events that must not be handled unless an operator requeues them."""
        query = select(failures.c.event_id).where(failures.c.consumer == consumer, failures.c.partition == partition)
        with self._database.begin() as tx:
            return set(tx.scalars(query.where(failures.c.state.in_(SET_ASIDE))))

    def names(self) -> list[str]:
        """The names of all consumers that have begun to read, or have a failure on record."""
        with self._database.begin() as tx:
            found = {*tx.scalars(select(positions.c.consumer)), *tx.scalars(select(failures.c.consumer))}
        return sorted(found)

    def counts(self) -> dict[str, int]:
        """The number of dead letters of each consumer, unreadable messages included."""
        states = (FailureState.DEAD, FailureState.UNREADABLE)
        query = select(failures.c.consumer, func.count()).where(failures.c.state.in_(states))
        with self._database.begin() as tx:
            return {row[0]: row[1] for row in tx.execute(query.group_by(failures.c.consumer))}

    def rows(
        self, states: Sequence[FailureState], consumer: str, partition: int | None, correlation: str
    ) -> Sequence[Row[Any]]:
        """The stored rows."""
        query = select(failures).where(failures.c.state.in_(states)).order_by(failures.c.position)
        if consumer:
            query = query.where(failures.c.consumer == consumer)
        if partition is not None:
            query = query.where(failures.c.partition == partition)
        if correlation:
            query = query.where(failures.c.correlation == correlation)
        with self._database.begin() as tx:
            return tx.execute(query).all()

    def _move(self, consumer: str, event_id: str, *, state: FailureState, **more: str) -> bool:
        here = (*of_event(consumer, event_id), failures.c.state.in_(ENTERED_FROM[state]))
        with self._database.begin() as tx:
            return tx.execute(update(failures).where(*here).values(state=state, **more)).rowcount > 0

    def _quarantine_row(self, row: Row[Any], why: str) -> None:
        change = {"state": FailureState.UNREADABLE, "error": why}
        with self._database.begin() as tx:
            tx.execute(update(failures).where(*of_event(row.consumer, row.event_id)).values(change))


def _place(consumer: str, partition: int) -> tuple[Any, ...]:
    return positions.c.consumer == consumer, positions.c.partition == partition
