"""What needs a person, in the same terms for both styles and for every part of the system.

Each entry has what is stuck, why, since when, what happens without a person, and which command helps.
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
STEPS = tuple(name for name, kind in _OPERATIONS.items() if kind is not Kind.NOTE)
_AT_THE_DEADLINE = {
    Kind.STEP: "the order is undone",
    Kind.UNDO: "it waits for an operator",
    Kind.FORWARD: "it waits for an operator",
    Kind.NOTE: "it is given up, and the order goes on",
}


_KINDS_OF_ERROR = re.compile(r"^((NonRetryable|NotAccepted|NotAnswering|Outage|Unavailable): )+")


class AttentionKind(StrEnum):
    """Why a person is needed."""

    UNDO_FAILED = "undo-failed"  # or a step past the pivot failed: both must be done
    REVIEW = "review"
    RETRYING = "retrying"
    STALLED = "stalled"
    ENDED_BY_FORCE = "ended-by-force"
    OUT_OF_STEP = "out-of-step"  # the order's workflow and record disagree, or one of them is lost
    DEAD_LETTER = "dead-letter"
    QUARANTINED = "quarantined"
    OUTBOX = "outbox"
    CONSUMER = "consumer"
    WEBHOOK = "webhook"
    AUDIT = "audit"
    UNSEEN = "unseen"  # a part did not answer, so its entries are unknown


class AttentionEntry(Contract):
    """One thing that needs a person. It has no private data.

    Attributes:
        subject: what is stuck: an order's id, an event's, or the name of a consumer, an endpoint or a part.
        order_id: the order concerned; empty for a part of the system.
        step: the step concerned, such as `payments.refund`; empty if there is no single one.
        why: the last error, for people to read.
        since: when it began, if known.
        attempt: the number of attempts; 0 where nothing is retried.
        then: what happens without a person, at `then_at` if that is set.
        command: the command that helps.
        otherwise: the other decision's command, where there are two.
        link: the workflow's page, if there is one.
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
    otherwise: str = ""
    link: str = ""

    @property
    def id(self) -> str:
        """Stays the same for as long as the trouble lasts."""
        return f"{self.kind}/{self.subject}/{self.step}"


@dataclass(frozen=True)
class Part:
    """A part of the system that has entries, and the command that helps when it does not answer."""

    name: str
    command: str
    ask: Callable[[], Awaitable[list[AttentionEntry]]]


def oldest_first(entries: Iterable[AttentionEntry]) -> list[AttentionEntry]:
    """Entries by age. Parts that did not answer come first, since they may hide other entries."""
    late = datetime.max.replace(tzinfo=UTC)
    return sorted(entries, key=lambda one: (one.kind is not AttentionKind.UNSEEN, one.since or late, one.id))


def unseen(part: str, why: str, command: str) -> AttentionEntry:
    """The entry of a part that did not answer."""
    then = "its entries are unknown until it answers"
    return AttentionEntry(kind=AttentionKind.UNSEEN, subject=part, why=why, then=then, command=command)


def retrying(order_id: str, style: Style, pending: PendingStep, link: str = "") -> AttentionEntry:
    """The entry of a step or an undo that is being retried."""
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
        then=f"it continues once {service} answers; at its deadline {at_the_deadline(pending.step)}",
        then_at=pending.deadline,
        command=f"starter.py {'cancel' if may_be_stopped else 'watch'} {order_id}",
        link=link,
    )


def undo_failed(
    order_id: str, style: Style, step: str, problem: str, since: datetime | None, link: str = ""
) -> AttentionEntry:
    """The entry of an undo, or of a step past the pivot, that failed for good."""
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
        otherwise=f"starter.py resolve {order_id} resolved{only} --note TEXT",
        link=link,
    )


def in_review(
    order_id: str, style: Style, reason: str, since: datetime | None, deadline: datetime | None, link: str = ""
) -> AttentionEntry:
    """The entry of a possible fraud that is held for a decision."""
    return AttentionEntry(
        kind=AttentionKind.REVIEW,
        subject=order_id,
        order_id=order_id,
        style=style,
        why=reason or "PossibleFraud",
        since=since,
        then="at its deadline it is declined",
        then_at=deadline,
        command=f"starter.py review {order_id} approve",
        otherwise=f"starter.py review {order_id} decline",
        link=link,
    )


def plain(error: str) -> str:
    """The error's text without our internal class names. A service's refusal keeps its name."""
    return _KINDS_OF_ERROR.sub("", error)


def at_the_deadline(step: str) -> str:
    """What happens when a step or an undo still fails at its deadline."""
    return _AT_THE_DEADLINE[_OPERATIONS.get(step, Kind.STEP)]


def entries_of(placed: PlacedOrder, after: timedelta, now: datetime) -> list[AttentionEntry]:
    """The entries of an order in progress, including each step that has been retried for longer than `after`."""
    state, order = placed.state, (placed.state.order_id, placed.style)
    entries = [undo_failed(*order, *_step_and_problem(problem), state.since, placed.link) for problem in state.problems]
    if state.stage is Stage.REVIEW:
        entries.append(in_review(*order, state.reason, state.since, state.deadline, placed.link))
    long_tried = (one for one in placed.pending if one.error and now - one.since >= after)
    return entries + [retrying(*order, one, placed.link) for one in long_tried]


def stalled(
    order_id: str, style: Style, why: str, since: datetime, then: str, command: str, link: str = ""
) -> AttentionEntry:
    """The entry of an order that makes no progress, though no step is known to fail."""
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
    """Split a problem: it begins with its step, if it has one."""
    step, colon, why = problem.partition(": ")
    return (step, why) if colon and step in _OPERATIONS else ("", problem)
