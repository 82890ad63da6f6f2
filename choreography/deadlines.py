"""Finds the orders that have stalled: without an orchestrator, a clock must look for them.

An order in progress is looked up in the archive once it is older than a deadline. What its events say together decides.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from choreography.events import AttentionNeeded, OrderStalled, ReviewDecided
from choreography.projection import OrderView
from kernel.contracts import Event, Style
from kernel.envelope import CloudEvent, new_event
from kernel.keys import event_id
from kernel.trouble import Trouble
from kernel.waiting import is_set_within
from messaging.bus import Bus
from messaging.locks import Locks, held
from services.fraud.contracts import Decision
from services.orders.contracts import OrdersPort

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
        self._trouble = Trouble(_log, "deadlines")

    async def run(self) -> None:
        pause = max(0.1, min(5.0, self._limits.step / 5, self._limits.review / 5))
        while not self._stop.is_set():
            try:
                async with held(self._locks, "deadlines") as is_ours:
                    if is_ours:
                        await self.look()
                self._trouble.over("all orders")
            except Exception as error:  # noqa: BLE001 - logged; one failed look must not stop the deadlines
                self._trouble.met("all orders", error)
            await is_set_within(self._stop, pause)

    def stop(self) -> None:
        self._stop.set()

    async def look(self) -> None:
        """Publish for every deadline that has passed. Twice is once."""
        now = self._clock()
        oldest = now - timedelta(seconds=min(self._limits.step, self._limits.review))
        for order_id in await asyncio.to_thread(self._orders.unended, Style.CHOREOGRAPHY, oldest):
            recorded = await self._bus.of(order_id)
            try:
                event = passed(OrderView(order_id, recorded), now, self._limits)
            except (ValueError, LookupError, TypeError) as error:  # one order's damaged events stop no other's clock
                self._trouble.met(order_id, error)
                continue
            if event:
                _log.warning("order %s: %s", order_id, event.data)
                await self._bus.append([event])
            self._trouble.over(order_id)


def passed(order: OrderView, now: datetime, limits: Limits) -> CloudEvent | None:
    """The event that says which deadline this order has passed, if it has."""
    if not order.events or order.end:
        return None
    last = order.events[-1]
    quiet = (now - last.time).total_seconds()
    if order.held:
        if (now - order.held.time).total_seconds() < limits.review:
            return None
        note = f"nobody decided within {timedelta(seconds=limits.review)}"
        return _event(ReviewDecided(decision=Decision.DECLINE, note=note), order.held, "review-deadline")
    if not order.stop and not order.is_past_pivot:
        if quiet < limits.step:
            return None
        reason = f"Outage: nothing happened for {timedelta(seconds=limits.step)} after {last.type}"
        return _event(OrderStalled(step="", reason=reason), last, "stalled")
    if quiet < limits.undo or order.problems:
        return None
    problem = f"nothing happened for {timedelta(seconds=limits.undo)} after {last.type}"
    return _event(AttentionNeeded(step="", problem=problem), last, "stuck", last.id)


def _event(event: Event, behind: CloudEvent, *name: str) -> CloudEvent:
    return new_event(
        event.type(),
        event.model_dump(mode="json"),
        event_id=event_id(behind.correlationid, *name),
        source="/choreography/deadlines",
        correlation=behind.correlationid,
        causation=behind.id,
        style=behind.style,
    )
