"""A consumer whose rule grows handles what it has passed over before it goes on.

A position says that everything up to it was handled, but only of what the consumer asked for at that time. So each
position has its rules on record, as a list: the one that it is kept with, and those of before, each with the position
up to which everything that fits it was handled or is owed. What fits the rule of now, and none of those, becomes owed.

With an older and a newer version side by side, a partition goes from one rule to the other and back; what either has
read for its own rule is not read again.
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
from messaging.progress import DeliveryFailure, FailureState, Progress, failures, of_event, positions
from messaging.quarantine import Quarantine
from messaging.subscription import Rule, Subscription

_log = logging.getLogger(__name__)

_BATCH = 500


@dataclass(frozen=True)
class _Handled:
    """Everything that fits this rule, up to this position."""

    rule: Rule
    up_to: int

    def has(self, entry: Entry) -> bool:
        return entry.position <= self.up_to and _asks_for(self.rule, entry)


async def catch_up(bus: Bus, progress: Progress, subscription: Subscription, partition: int, position: int) -> None:
    """Have the consumer owe what its rule asks for now, and did not when it was read. Raises BusDown.

    What is owed has a row of its own, so a stop at any line, and a second time, add nothing.
    """
    name, rule = subscription.name, subscription.rule
    current, before = await asyncio.to_thread(_recorded, progress, name, partition)
    if current is None or _as_json(current) == _as_json(rule):
        if current is None:  # by a release that did not record it, with the same rule
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
            _log.info("%s asks for more events now; %d of partition %d are handled late", name, late, partition)
    kept = [one for one in handled if not rule.covers(one.rule)]
    await asyncio.to_thread(_record, progress, name, partition, rule, kept)


def keep_rule(progress: Progress, subscription: Subscription, partition: int) -> None:
    """The position was made for this rule only."""
    _record(progress, subscription.name, partition, subscription.rule, [])


def forget_earlier(progress: Progress, consumer: str, partition: int) -> None:
    """It is sent back, and may have lost what it had made of events by the rules of before."""
    current, _ = _recorded(progress, consumer, partition)
    if current is not None:
        _record(progress, consumer, partition, current, [])


def drop(progress: Progress, failure: DeliveryFailure) -> None:
    """This version does not ask for it any more; one that does finds it again."""
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
