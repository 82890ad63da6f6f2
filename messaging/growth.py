"""When a consumer's rule grows, the consumer first handles the events that its earlier rules skipped.

A position means that every event up to it was handled, but only the events that matched the rule of that time. So each
position is stored with its rules: the current one, and earlier ones, each with the position up to which all events that
match it were handled or are owed. An event that matches the current rule and none of the earlier ones becomes owed.

When an older and a newer version run side by side, a partition alternates between their rules; events that one of them
has read for its own rule are not read again.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from messaging.bus import Bus, Entry, Recorded, Unreadable
from messaging.failure import DeliveryFailure, FailureState, failures, of_event
from messaging.progress import Progress, positions
from messaging.quarantine import Quarantine
from messaging.subscription import Rule, Subscription

_log = logging.getLogger(__name__)

_BATCH = 500


@dataclass(frozen=True)
class _Handled:
    """Every event that matches this rule, up to this position."""

    rule: Rule
    up_to: int

    def has(self, entry: Entry) -> bool:
        return entry.position <= self.up_to and _asks_for(self.rule, entry)


async def catch_up(bus: Bus, progress: Progress, subscription: Subscription, partition: int, position: int) -> None:
    """Record as owed the events that the rule matches now and did not match when they were read. Raises BusDown.

    Each owed event has a row of its own, so stopping at any line and running again adds nothing.
    """
    name, rule = subscription.name, subscription.rule
    current, before = await asyncio.to_thread(_recorded, progress, name, partition)
    if current is None or _as_json(current) == _as_json(rule):
        if current is None:  # saved by a release that did not record it; the rule is the same
            await asyncio.to_thread(keep_rule, progress, subscription, partition)
        return
    handled = [_Handled(current, position), *before]
    covered = [one.up_to for one in handled if one.rule.covers(rule)]
    if covered or not subscription.from_latest:
        late = 0
        async for entry in _between(bus, partition, max(covered, default=0), position):
            if _asks_for(rule, entry) and not any(one.has(entry) for one in handled):
                await _owe(bus, progress, subscription, entry)
                late += 1
        if late:
            _log.info("%s has a larger rule now; %d earlier events of partition %d are owed", name, late, partition)
    kept = [one for one in handled if not rule.covers(one.rule)]
    await asyncio.to_thread(_record, progress, name, partition, rule, kept)


def keep_rule(progress: Progress, subscription: Subscription, partition: int) -> None:
    """Record that the position holds for this rule only."""
    _record(progress, subscription.name, partition, subscription.rule, [])


def forget_earlier(progress: Progress, consumer: str, partition: int) -> None:
    """Forget the earlier rules: a consumer that is sent back may have lost its results under them."""
    current, _ = _recorded(progress, consumer, partition)
    if current is not None:
        _record(progress, consumer, partition, current, [])


def drop(progress: Progress, failure: DeliveryFailure) -> None:
    """Drop an event that this version's rule does not match; a version whose rule matches it finds it again."""
    partition, position = failure.recorded.partition, failure.recorded.position
    current, before = _recorded(progress, failure.consumer, partition)
    with progress.database.begin() as tx:
        tx.execute(delete(failures).where(*of_event(failure.consumer, failure.id)))
        if current is not None:
            lower = [_Handled(one.rule, min(one.up_to, position - 1)) for one in before]
            _write(tx, failure.consumer, partition, current, lower)


async def _between(bus: Bus, partition: int, after: int, up_to: int) -> AsyncIterator[Entry]:
    reader = await bus.read(partition, after)
    try:
        while after < up_to and (batch := await reader.next(_BATCH, 0)):
            for entry in batch:
                after = entry.position
                if after <= up_to:
                    yield entry
    finally:
        await reader.close()


async def _owe(bus: Bus, progress: Progress, subscription: Subscription, entry: Entry) -> None:
    if isinstance(entry, Unreadable):
        await asyncio.to_thread(Quarantine(progress).add, subscription.name, entry)
    elif subscription.is_over(await bus.of(entry.event.correlationid)):
        await asyncio.to_thread(subscription.settle, entry.event)
    else:
        await asyncio.to_thread(_note_owed, progress, subscription.name, entry)


def _note_owed(progress: Progress, consumer: str, recorded: Recorded) -> None:
    event = recorded.event
    new: dict[str, Any] = {"consumer": consumer, "event_id": event.id, "position": recorded.position}
    new |= {"partition": recorded.partition, "correlation": event.correlationid, "event": event.model_dump_json()}
    new |= {"state": FailureState.REQUEUED, "attempts": 0, "error": "", "first_failed_at": time.time()}
    with progress.database.begin() as tx:
        if tx.scalar(select(failures.c.state).where(*of_event(consumer, event.id))) is None:
            tx.execute(insert(failures), new)


def _asks_for(rule: Rule, entry: Entry) -> bool:
    return rule.may_fit(entry.type) if isinstance(entry, Unreadable) else rule.fits(entry.event)


def _recorded(progress: Progress, consumer: str, partition: int) -> tuple[Rule | None, list[_Handled]]:
    here = (positions.c.consumer == consumer, positions.c.partition == partition)
    with progress.database.begin() as tx:
        stored = tx.scalar(select(positions.c.rules).where(*here))
    if not stored:
        return None, []
    current, *before = json.loads(stored)
    return _rule(current), [_Handled(_rule(one), one["up_to"]) for one in before]


def _record(progress: Progress, consumer: str, partition: int, rule: Rule, before: Sequence[_Handled]) -> None:
    with progress.database.begin() as tx:
        _write(tx, consumer, partition, rule, before)


def _write(tx: Connection, consumer: str, partition: int, rule: Rule, before: Sequence[_Handled]) -> None:
    furthest: dict[str, int] = {}
    for one in before:
        furthest[_as_json(one.rule)] = max(one.up_to, furthest.get(_as_json(one.rule), 0))
    rules = [json.loads(_as_json(rule)), *(json.loads(text) | {"up_to": up_to} for text, up_to in furthest.items())]
    here = (positions.c.consumer == consumer, positions.c.partition == partition)
    tx.execute(update(positions).where(*here).values(rules=json.dumps(rules)))


def _rule(stored: dict[str, Any]) -> Rule:
    return Rule(tuple(stored["types"]), {path: tuple(values) for path, values in stored["content"].items()})


def _as_json(rule: Rule) -> str:
    content = {path: list(values) for path, values in rule.content.items()}
    return json.dumps({"types": sorted(rule.types), "content": content}, sort_keys=True)
