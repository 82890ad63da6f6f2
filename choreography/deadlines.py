"""Finds the orders that nobody moves any more: without a conductor, somebody must look at the clock.

An order in progress is looked up in the archive once it is older than a deadline. What its last event says decides.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from choreography.events import AttentionNeeded, AttentionSettled, OrderStalled, ReviewDecided
from choreography.reactions import STOPS
from kernel.contracts import Event, FailureEvent, Style
from kernel.envelope import CloudEvent, new_event
from kernel.environment import one_line
from kernel.keys import event_id
from kernel.waiting import is_set_within
from messaging.bus import Bus, BusDown, Recorded
from messaging.locks import Locks, held
from services.fraud.contracts import Decision
from services.fraud.events import NoFraudDetected, PossibleFraud
from services.orders.contracts import OrdersPort
from services.shipping.events import Shipped

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Limits:
    """In seconds: without any event for `step`, an order is stalled; for `undo` while it is undone or past the pivot,
    it needs an operator; held as a possible fraud for `review`, it is declined.
    """

    step: float
    undo: float
    review: float


class Deadlines:
    """Looks again and again until it is stopped; of several, one at a time."""

    def __init__(self, orders: OrdersPort, bus: Bus, locks: Locks, limits: Limits, clock: Clock = _now) -> None:
        self._orders = orders
        self._bus = bus
        self._locks = locks
        self._limits = limits
        self._clock = clock
        self._stop = asyncio.Event()

    async def run(self) -> None:
        pause = max(0.1, min(5.0, self._limits.step / 5, self._limits.review / 5))
        while not self._stop.is_set():
            try:
                async with held(self._locks, "deadlines") as is_ours:
                    if is_ours:
                        await self.look()
            except (BusDown, SQLAlchemyError) as error:
                _log.warning("deadlines: %s; going on in a moment", one_line(error)[:300])
            await is_set_within(self._stop, pause)

    def stop(self) -> None:
        self._stop.set()

    async def look(self) -> None:
        """Tell of every deadline that has passed. Telling it twice is telling it once."""
        now = self._clock()
        oldest = now - timedelta(seconds=min(self._limits.step, self._limits.review))
        for order_id in await asyncio.to_thread(self._orders.unended, Style.CHOREOGRAPHY, oldest):
            said = passed(await self._bus.of(order_id), now, self._limits)
            if said:
                _log.warning("order %s: %s", order_id, said.data)
                await self._bus.append([said])


def passed(events: Sequence[Recorded], now: datetime, limits: Limits) -> CloudEvent | None:
    """The event that tells of the deadline that this order has passed, if it has."""
    if not events:
        return None
    of = {recorded.event.type: recorded.event for recorded in events}
    last = events[-1].event
    quiet = (now - last.time).total_seconds()
    stopped = any(event.type() in of for event in STOPS)
    held = of.get(PossibleFraud.type())
    if held and not stopped and not _heard(of, NoFraudDetected, ReviewDecided):
        if (now - held.time).total_seconds() < limits.review:
            return None
        note = f"nobody decided within {timedelta(seconds=limits.review)}"
        return _say(ReviewDecided(decision=Decision.DECLINE, note=note), held, "review-deadline")
    if not stopped and not _heard(of, Shipped):
        if quiet < limits.step:
            return None
        reason = f"Outage: nothing happened for {timedelta(seconds=limits.step)} after {last.type}"
        return _say(OrderStalled(step="", reason=reason), last, "stalled")
    if quiet < limits.undo or last.type in (AttentionNeeded.type(), "OrderFlagged") or _settled_all(of):
        return None
    problem = f"nothing happened for {timedelta(seconds=limits.undo)} after {last.type}"
    return _say(AttentionNeeded(step="", problem=problem), last, "stuck", last.id)


def _heard(of: dict[str, CloudEvent], *types: type[Event]) -> bool:
    return any(event.type() in of for event in types)


def _settled_all(of: dict[str, CloudEvent]) -> bool:
    settled = of.get(AttentionSettled.type())
    return settled is not None and settled.data["step"] == "" and bool(settled.data["note"])


def _say(event: Event | FailureEvent, behind: CloudEvent, *told: str) -> CloudEvent:
    return new_event(
        event.type(),
        event.model_dump(mode="json"),
        event_id=event_id(behind.correlationid, *told),
        source="/choreography/deadlines",
        correlation=behind.correlationid,
        causation=behind.id,
        style=behind.style,
    )
