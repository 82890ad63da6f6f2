"""An order's JSON documents for browsers: one for its state, and one for each event."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from choreography.causes import causes
from client.contracts import FailedAttempts, OrderHistory, PlacedOrder, Resolved, Stage
from kernel.envelope import CloudEvent
from messaging.bus import Recorded
from services.orders.events import END_OF_TYPE
from subscribers.redaction import UnknownEvent, redacted
from web.account import account
from web.books import moments
from web.outcomes import UNDONE, outcome_of, step_of

Json = dict[str, Any]


def as_json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def order_document(placed: PlacedOrder, history: OrderHistory, recorded: Sequence[Recorded]) -> Json:
    """An order's state; times in milliseconds since 1970."""
    state = placed.state
    events = [one.event for one in recorded]
    # Its end may be on the bus a moment before its state says so; both are shown together.
    has_ended = state.stage is Stage.ENDED
    ends = [_milliseconds(event) for event in events if event.type in END_OF_TYPE]
    # The orders service may close an order before an operator has settled, and the last undo was done.
    later = [_moment(one.at) for one in history.resolved]
    later += [_milliseconds(event) for event in events if outcome_of(event) == UNDONE]
    ended = max([min(ends), *later]) if has_ended and ends else None
    done_at = {step_of(event): _milliseconds(event) for event in events if step_of(event)}
    return {
        "order_id": state.order_id,
        "style": placed.style,
        "status": state.status,
        "stage": state.stage,
        "reason": state.reason,
        "total": str(state.total) if state.total else "",
        "tracking_number": state.tracking_number,
        "problems": list(state.problems),
        "steps": [
            {"step": one.step, "state": one.state, "detail": one.detail, "at": done_at.get(one.step)}
            for one in state.steps
        ],
        "retrying": [
            {"step": one.step, "attempt": one.attempt, "error": one.error, "since": _moment(one.since)}
            for one in placed.pending
            if one.error or one.attempt > 1
        ],
        "failed": [_failed(one) for one in history.failed],
        "resolved": [_resolved(one) for one in history.resolved],
        "account": account(placed, history, events),
        "books": [moment.document() for moment in moments(events, history)],
        "began": min(map(_milliseconds, events), default=None),
        "ended": ended,
        "link": placed.link,
        "now": round(time.time() * 1000),
    }


def _failed(one: FailedAttempts) -> Json:
    until = _moment(one.until) if one.until else None
    times = {"since": _moment(one.since), "until": until}
    return {"step": one.step, "count": one.count, "error": one.error, "gave_up": one.gave_up} | times


def _resolved(one: Resolved) -> Json:
    given = one.resolution
    return {"at": _moment(one.at), "decision": given.decision, "step": given.step} | {
        "note": given.note,
        "actor": given.actor,
    }


def event_document(recorded: Recorded) -> Json:
    """An event without private fields: `cause` is the event or the command behind it."""
    event = recorded.event
    try:
        data = redacted(event).data
    except UnknownEvent:
        data = {}
    return {
        "position": recorded.position,
        "id": event.id,
        "type": event.type,
        "source": event.source.strip("/"),
        "step": step_of(event),
        "kind": outcome_of(event),
        "at": _milliseconds(event),
        "cause": event.causationid,
        "style": event.style,
        "data": data,
    }


def tree(recorded: Sequence[Recorded]) -> list[tuple[int, Json]]:
    """The events as a tree of causes: each with its depth, effects below their cause."""
    cause, known = causes(recorded), {one.event.id for one in recorded}
    lines: list[tuple[int, Json]] = []

    def grow(one: Recorded, depth: int) -> None:
        lines.append((depth, event_document(one)))
        for effect in recorded:
            if cause[effect.event.id] == one.event.id != effect.event.id:
                grow(effect, depth + 1)

    for one in recorded:
        if cause[one.event.id] not in known:
            grow(one, 0)
    return lines


def _moment(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _milliseconds(event: CloudEvent) -> int:
    return _moment(event.time)
