"""What is being retried for a choreographed order, and what of it needs a person."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from choreography.dead_letters import SERVICES
from choreography.events import AttentionNeeded, AttentionSettled, OrderStalled
from choreography.projection import OrderView
from choreography.reaction import Reaction, lines_of, must_be_done, that_failed
from choreography.reactions import REACTIONS
from client.attention import AttentionEntry, entries_of, plain, stalled
from client.contracts import (
    FailedAttempts,
    OrderHistory,
    PendingStep,
    PlacedOrder,
    Resolution,
    ResolveBy,
    Resolved,
    Stage,
)
from kernel.contracts import Policy, Style
from kernel.envelope import CloudEvent
from messaging.failure import DeliveryFailure, FailureState

_GIVEN_UP = (AttentionNeeded.type(), OrderStalled.type())


def line_that_failed(failure: DeliveryFailure, order: OrderView) -> Reaction[Any, Any] | None:
    lines = lines_of(REACTIONS, failure.consumer)
    return that_failed(lines, failure.reaction, failure.recorded.event, order.events)


def step_that_failed(failure: DeliveryFailure, order: OrderView) -> str:
    line = line_that_failed(failure, order)
    return line.step if line else failure.consumer


def placed(order: OrderView, failures: Iterable[DeliveryFailure], policy: Policy) -> PlacedOrder:
    """The order as clients see it.

    Args:
        failures: the deliveries that failed and are retried.
    """
    state = order.state
    if state.stage is Stage.REVIEW and state.since:
        deadline = state.since + timedelta(seconds=policy.review_deadline)
        state = state.model_copy(update={"deadline": deadline})
    pending = tuple(_pending(one, order, policy) for one in failures if one.consumer in SERVICES)
    return PlacedOrder(state, style=Style.CHOREOGRAPHY, pending=pending)


def history(order: OrderView, failures: Iterable[DeliveryFailure]) -> OrderHistory:
    """Args: failures: all that the services' consumers have on record for the order."""
    failed = [_failed(one, order) for one in failures if one.consumer in SERVICES]
    settled = [_resolved(event) for event in order.events if event.type == AttentionSettled.type()]
    return OrderHistory(failed=tuple(sorted(failed, key=lambda one: one.since)), resolved=tuple(settled))


def attention(
    order: OrderView, failures: Iterable[DeliveryFailure], policy: Policy, after: timedelta, now: datetime
) -> list[AttentionEntry]:
    """What of one order needs a person, including each step that has been retried for longer than `after`."""
    if not order.is_choreographed or order.end:
        return []
    seen = placed(order, failures, policy)
    entries = entries_of(seen, after, now)
    if entries or seen.pending or now - order.events[-1].time < after:
        return entries
    return [_stalled(order, policy)]


def _pending(failure: DeliveryFailure, order: OrderView, policy: Policy) -> PendingStep:
    """Without `next_attempt`: only the consumer knows when it retries."""
    is_must = must_be_done(lines_of(REACTIONS, failure.consumer), failure.recorded.event)
    since = datetime.fromtimestamp(failure.first_failed_at, UTC)
    return PendingStep(
        step=step_that_failed(failure, order),
        attempt=failure.attempts + 1,
        error=plain(failure.error),
        since=since,
        deadline=since + timedelta(seconds=policy.undo_deadline if is_must else policy.step_deadline),
    )


def _failed(failure: DeliveryFailure, order: OrderView) -> FailedAttempts:
    """Given up is what was announced as such, even if an operator had it retried since."""
    since, step = datetime.fromtimestamp(failure.first_failed_at, UTC), step_that_failed(failure, order)
    announced = (one.time for one in order.events if one.type in _GIVEN_UP and one.data["step"] == step)
    gave_up_at = min(announced, default=None)
    if gave_up_at is None and failure.state is FailureState.DEAD:
        gave_up_at = since + timedelta(seconds=failure.tried_seconds)
    recovered_at = None if failure.recovered_at is None else datetime.fromtimestamp(failure.recovered_at, UTC)
    return FailedAttempts(
        step=step,
        count=failure.attempts,
        error=plain(failure.error),
        since=since,
        until=gave_up_at or recovered_at,
        gave_up=gave_up_at is not None,
    )


def _resolved(event: CloudEvent) -> Resolved:
    settled = AttentionSettled.model_validate(event.data)
    decision = ResolveBy.RESOLVED if settled.note else ResolveBy.RETRY
    resolution = Resolution(decision=decision, note=settled.note, step=settled.step, actor=settled.actor)
    return Resolved(resolution=resolution, at=event.time)


def _stalled(order: OrderView, policy: Policy) -> AttentionEntry:
    """No delivery has failed, but no event has been published for too long."""
    last = order.events[-1]
    may_be_undone = order.stop is None and not order.is_past_pivot
    allowed = policy.step_deadline if may_be_undone else policy.undo_deadline
    return stalled(
        order.order_id,
        Style.CHOREOGRAPHY,
        f"nothing has happened since {last.type}; is a worker with the roles relay and choreography running?",
        last.time,
        "it is undone" if may_be_undone else "it waits for an operator",
        f"starter.py trace {order.order_id}",
    ).model_copy(update={"then_at": last.time + timedelta(seconds=allowed)})
