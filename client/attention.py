"""What needs a person, in words that are the same in either style and for every part.

Each entry says what is stuck, why, since when, what happens by itself, and which command mends it.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from client.contracts import PendingStep, PlacedOrder, Stage
from kernel.contracts import Contract, Style
from kernel.service import Kind
from services import SERVICES

_OPERATIONS = {f"{service.name}.{one.verb}": one.kind for service in SERVICES for one in service.operations}
_AT_THE_DEADLINE = {
    Kind.STEP: "the order is undone",
    Kind.UNDO: "it waits for an operator",
    Kind.FORWARD: "it waits for an operator",
    Kind.NOTE: "it is given up, and the order goes on",
}


_KINDS_OF_ERROR = re.compile(r"^((NonRetryable|NotAccepted|NotAnswering|Outage|Unavailable): )+")


class AttentionKind(StrEnum):
    """Why a person is needed."""

    UNDO_FAILED = "undo-failed"  # or a step past the pivot: it must be done, and could not be
    REVIEW = "review"
    RETRYING = "retrying"
    STALLED = "stalled"
    ENDED_BY_FORCE = "ended-by-force"
    OUT_OF_STEP = "out-of-step"  # its workflow and its record disagree, or one is lost
    DEAD_LETTER = "dead-letter"
    QUARANTINED = "quarantined"
    OUTBOX = "outbox"
    CONSUMER = "consumer"
    WEBHOOK = "webhook"
    AUDIT = "audit"
    UNSEEN = "unseen"  # a part that did not answer: whether it has entries, nobody knows


class AttentionEntry(Contract):
    """One thing that needs a person. Nothing in it is private.

    Attributes:
        subject: what is stuck: an order's id, an event's, or the name of a consumer, an endpoint or a part.
        order_id: the order that it is about; empty for a part of the system.
        step: such as `payments.refund`; empty when it is about no single step.
        why: the last error, in plain words.
        since: when it began, if that is known.
        attempt: how often it was tried; 0 where nothing is tried.
        then: what happens by itself, at `then_at` if that has a time.
        command: what mends it.
        link: the page of its workflow, if it has one.
    """

    kind: AttentionKind
    subject: str
    order_id: str = ""
    style: Style | None = None
    step: str = ""
    why: str
    since: datetime | None = None
    attempt: int = 0
    then: str
    then_at: datetime | None = None
    command: str
    link: str = ""

    @property
    def id(self) -> str:
        """The same for as long as it is the same trouble."""
        return f"{self.kind}/{self.subject}/{self.step}"


@dataclass(frozen=True)
class Part:
    """A part of the system that is asked for its entries, and the command that helps when it does not answer."""

    name: str
    command: str
    ask: Callable[[], Awaitable[list[AttentionEntry]]]


def oldest_first(entries: Iterable[AttentionEntry]) -> list[AttentionEntry]:
    """What cannot be seen comes first: it may hide the rest."""
    late = datetime.max.replace(tzinfo=UTC)
    return sorted(entries, key=lambda one: (one.kind is not AttentionKind.UNSEEN, one.since or late, one.id))


def unseen(part: str, why: str, command: str) -> AttentionEntry:
    """A part that did not answer."""
    then = "nothing is known of it until it answers"
    return AttentionEntry(kind=AttentionKind.UNSEEN, subject=part, why=why, then=then, command=command)


def retrying(order_id: str, style: Style, pending: PendingStep, link: str = "") -> AttentionEntry:
    """A step or an undo that is tried again and again."""
    may_be_stopped = _OPERATIONS.get(pending.step) is Kind.STEP
    service, _, _ = pending.step.partition(".")
    return AttentionEntry(
        kind=AttentionKind.RETRYING,
        subject=order_id,
        order_id=order_id,
        style=style,
        step=pending.step,
        why=pending.error,
        since=pending.since,
        attempt=pending.attempt,
        then=f"it goes on once {service} answers; at its deadline {at_the_deadline(pending.step)}",
        then_at=pending.deadline,
        command=f"starter.py {'cancel' if may_be_stopped else 'watch'} {order_id}",
        link=link,
    )


def undo_failed(
    order_id: str, style: Style, step: str, problem: str, since: datetime | None, link: str = ""
) -> AttentionEntry:
    """What must be done, and could not be."""
    only = f" --step {step}" if step else ""
    return AttentionEntry(
        kind=AttentionKind.UNDO_FAILED,
        subject=order_id,
        order_id=order_id,
        style=style,
        step=step,
        why=problem,
        since=since,
        then="nothing: it waits for an operator",
        command=f"starter.py resolve {order_id} retry{only}",
        link=link,
    )


def in_review(
    order_id: str, style: Style, reason: str, since: datetime | None, deadline: datetime | None, link: str = ""
) -> AttentionEntry:
    """A possible fraud that is held for a decision."""
    return AttentionEntry(
        kind=AttentionKind.REVIEW,
        subject=order_id,
        order_id=order_id,
        style=style,
        why=reason or "PossibleFraud",
        since=since,
        then="at its deadline it is declined",
        then_at=deadline,
        command=f"starter.py review {order_id} approve, or decline",
        link=link,
    )


def plain(error: str) -> str:
    """An error without the names by which only this program knows its kind; a service's refusal keeps its name."""
    return _KINDS_OF_ERROR.sub("", error)


def at_the_deadline(step: str) -> str:
    """What happens when a step or an undo was tried in vain for as long as it may be."""
    return _AT_THE_DEADLINE[_OPERATIONS.get(step, Kind.STEP)]


def entries_of(placed: PlacedOrder, after: timedelta, now: datetime) -> list[AttentionEntry]:
    """What of an order in progress needs a person: of steps, those that have been tried for longer than `after`."""
    state, order = placed.state, (placed.state.order_id, placed.style)
    entries = [undo_failed(*order, *_step_and_problem(problem), state.since, placed.link) for problem in state.problems]
    if state.stage is Stage.REVIEW:
        entries.append(in_review(*order, state.reason, state.since, state.deadline, placed.link))
    long_tried = (one for one in placed.pending if one.error and now - one.since >= after)
    return entries + [retrying(*order, one, placed.link) for one in long_tried]


def stalled(
    order_id: str, style: Style, why: str, since: datetime, then: str, command: str, link: str = ""
) -> AttentionEntry:
    """An order that nothing happens to, and nobody knows of a step that fails."""
    return AttentionEntry(
        kind=AttentionKind.STALLED,
        subject=order_id,
        order_id=order_id,
        style=style,
        why=why,
        since=since,
        then=then,
        command=command,
        link=link,
    )


def _step_and_problem(problem: str) -> tuple[str, str]:
    """A problem begins with its step, if it has one."""
    step, colon, why = problem.partition(": ")
    return (step, why) if colon and step in _OPERATIONS else ("", problem)
