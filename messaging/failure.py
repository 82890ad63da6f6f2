"""The events that a consumer could not handle: their states, and their table.

(none) ──fails──▶ RETRYING ──given up──▶ DEAD ──requeued──▶ REQUEUED ──fails──▶ RETRYING
RETRYING, REQUEUED, DEAD ──handled, or settled by hand──▶ (none), with a row in `recoveries`
DEAD, UNREADABLE ──discarded──▶ DISCARDED, permanently
(none) ──cannot be read──▶ UNREADABLE ──read again, with success──▶ REQUEUED, as an event
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Row, String, Table, Text

from kernel.envelope import read_event
from messaging.bus import Recorded


class FailureState(StrEnum):
    RETRYING = "retrying"
    DEAD = "dead"
    REQUEUED = "requeued"
    DISCARDED = "discarded"
    UNREADABLE = "unreadable"


OWED = (FailureState.RETRYING, FailureState.REQUEUED)
SET_ASIDE = (FailureState.DEAD, FailureState.DISCARDED, FailureState.UNREADABLE)

# The states from which each state can be entered; a transition from any other changes nothing.
ENTERED_FROM = {
    FailureState.RETRYING: OWED,
    FailureState.DEAD: (FailureState.RETRYING,),
    FailureState.REQUEUED: (FailureState.DEAD,),
    FailureState.DISCARDED: (FailureState.DEAD, FailureState.UNREADABLE),
}


metadata = MetaData()

failures = Table(
    "failures",
    metadata,
    Column("consumer", String(100), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("correlation", String(64), nullable=False),
    Column("event", Text, nullable=False, comment="CloudEvents JSON; of what is none, base64: and its bytes"),
    Column("state", String(10), nullable=False, comment="retrying, dead, requeued, discarded or unreadable"),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("first_failed_at", Float, nullable=False, comment="seconds since 1970"),
    Column("reaction", String(200), nullable=False, server_default="", comment="the id of what failed, if known"),
    Column("tried_seconds", Float, nullable=False, server_default="0", comment="for how long it was tried"),
    Index("ix_failures_state", "state", "consumer", "partition"),
    Index("ix_failures_correlation", "correlation"),
)

recoveries = Table(
    "recoveries",
    metadata,
    Column("consumer", String(100), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("correlation", String(64), nullable=False),
    Column("event", Text, nullable=False, comment="as in failures"),
    Column("reaction", String(200), nullable=False),
    Column("attempts", Integer, nullable=False, comment="that failed"),
    Column("error", Text, nullable=False, comment="of the last one"),
    Column("first_failed_at", Float, nullable=False, comment="seconds since 1970"),
    Column("recovered_at", Float, nullable=False, comment="seconds since 1970"),
    Index("recoveries_of_order", "correlation"),
)


@dataclass(frozen=True)
class DeliveryFailure:
    """An event that a consumer could not handle yet, or gave up.

    Attributes:
        first_failed_at: for display, in seconds since 1970; the wall clock may have been wrong, or stepped since.
        tried_seconds: for how long it was retried; only time in which a process retried it counts.
        recovered_at: when the event was handled, or settled by hand; in seconds since 1970. None if it is not.
    """

    consumer: str
    recorded: Recorded
    state: FailureState
    attempts: int
    error: str
    first_failed_at: float
    reaction: str = ""
    tried_seconds: float = 0
    recovered_at: float | None = None

    @property
    def id(self) -> str:
        return self.recorded.event.id


def of_event(consumer: str, event_id: str) -> tuple[Any, ...]:
    return failures.c.consumer == consumer, failures.c.event_id == event_id


def delivery_failure(row: Row[Any], recorded: Recorded) -> DeliveryFailure:
    return DeliveryFailure(
        row.consumer,
        recorded,
        FailureState(row.state),
        row.attempts,
        row.error,
        row.first_failed_at,
        row.reaction,
        row.tried_seconds,
    )


def recovery(row: Row[Any]) -> DeliveryFailure:
    return DeliveryFailure(
        row.consumer,
        Recorded(0, read_event(row.event)),  # its position is of no more use
        FailureState.RETRYING,
        row.attempts,
        row.error,
        row.first_failed_at,
        row.reaction,
        recovered_at=row.recovered_at,
    )
