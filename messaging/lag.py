"""How far a consumer is behind, and since when: from the log, its positions and its own records."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kernel.envelope import CloudEvent
from messaging.bus import PARTITIONS, Bus, Recorded, Unreadable
from messaging.failure import OWED, SET_ASIDE, DeliveryFailure
from messaging.log_check import problem
from messaging.progress import Progress
from messaging.subscription import Subscription

MOST = 10_000  # the count of unhandled events stops here
_BATCH = 500


@dataclass(frozen=True)
class Lag:
    """One consumer's lag.

    Attributes:
        behind: the number of unhandled events, at most `MOST`, without dead letters.
        waiting_since: the time of the oldest event that was never tried and whose order has no event in retry.
        retrying: the events in retry, oldest first.
        problem: why the consumer cannot read on; empty if it can.
    """

    subscription: Subscription
    behind: int
    waiting_since: datetime | None
    retrying: Sequence[DeliveryFailure]
    problem: str

    @property
    def consumer(self) -> str:
        return self.subscription.name


async def lag(bus: Bus, progress: Progress, subscription: Subscription) -> Lag:
    """Raises BusDown, SQLAlchemyError."""
    name = subscription.name
    retrying = await asyncio.to_thread(progress.failures, *OWED, consumer=name)
    if wrong := await problem(bus, progress, name):
        return Lag(subscription, len(retrying), None, retrying, wrong)
    set_aside = {row.event_id for row in await asyncio.to_thread(progress.rows, SET_ASIDE, name, None, "")}
    unhandled = [one for one in await _unhandled(bus, progress, subscription) if one.event.id not in set_aside]
    owed = {one.id for one in retrying}
    held_up = {one.recorded.event.correlationid for one in retrying}
    untried = [one.event.time for one in unhandled if one.event.correlationid not in held_up]
    behind = len(owed | {one.event.id for one in unhandled})
    return Lag(subscription, behind, min(untried, default=None), retrying, "")


async def _unhandled(bus: Bus, progress: Progress, subscription: Subscription) -> list[Recorded]:
    """The unhandled events after the saved positions, which may be behind what was handled."""
    head, found = await bus.head(), list[Recorded]()
    start = head if subscription.from_latest else 0
    positions = dict.fromkeys(range(PARTITIONS), start) | await asyncio.to_thread(progress.begun, subscription.name)
    after = min(positions.values())
    if after >= head:
        return []
    reader = await bus.read(None, after)
    try:
        while len(found) < MOST and (batch := await reader.next(_BATCH, 0)):
            due = [
                one
                for one in batch
                if not isinstance(one, Unreadable)
                and one.position > positions[one.partition]
                and subscription.rule.fits(one.event)
            ]
            handled = await asyncio.to_thread(_handled, subscription, [one.event for one in due])
            found += [one for one in due if one.event.id not in handled]
            if batch[-1].position >= head:
                break
    finally:
        await reader.close()
    return found


def _handled(subscription: Subscription, events: Sequence[CloudEvent]) -> set[str]:
    return subscription.handled(events) if events else set()
