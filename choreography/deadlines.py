"""Finds stalled orders: without an orchestrator, a periodic check must do so.

The check reads the events of each order in progress from the archive. It decides by the order's state and by how long
that state was observed: only time during which the check ran counts, so that a jump of the system's clock, a stop of
the workers or an outage of the bus never undoes an order.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from choreography.dead_letters import given_up
from choreography.events import AttentionNeeded, OrderStalled, ReviewDecided
from choreography.projection import OrderView
from kernel.contracts import Event, Style
from kernel.envelope import CloudEvent, new_event
from kernel.keys import event_id
from kernel.trouble import Trouble
from kernel.waiting import is_set_within
from messaging.bus import Bus
from messaging.locks import Locks, held
from messaging.progress import Progress
from messaging.watch import Seconds, Watch
from services.fraud.contracts import Decision
from services.orders.contracts import OrdersPort

_log = logging.getLogger(__name__)

_LOOKS = 5  # checks of an order within one deadline, so a deadline is noticed at most a fifth of it too late
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """Deadlines in seconds.

    An order without an event for `step` is stalled. One that is being undone or is past the pivot, and has no event for
    `undo`, needs an operator. One that is held as a possible fraud for `review` is declined.
    """

    step: float
    undo: float
    review: float


class Deadlines:
    """Checks periodically until it is stopped. Of several processes, one at a time does so.

    Args:
        progress: where the observed time is stored.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        orders: OrdersPort,
        bus: Bus,
        locks: Locks,
        limits: Limits,
        progress: Progress,
        clock: Seconds = time.monotonic,
    ) -> None:
        self._orders = orders
        self._bus = bus
        self._locks = locks
        self._limits = limits
        self._progress = progress
        self._interval = min(limits.step, limits.review) / _LOOKS
        self._watch = Watch(progress, "deadlines", 2 * max(self._interval, _LONGEST_PAUSE_SECONDS), clock)
        self._next_look: dict[str, float] = {}  # by order, in seconds of observed time
        self._stop = asyncio.Event()
        self._trouble = Trouble(_log, "deadlines")

    async def run(self) -> None:
        pause = max(0.1, min(_LONGEST_PAUSE_SECONDS, self._interval))
        while not self._stop.is_set():
            try:
                async with held(self._locks, "deadlines") as is_ours:
                    if is_ours:
                        await self.look()
                self._trouble.over("all orders")
            except Exception as error:  # noqa: BLE001 - logged; one failed check must not stop the others
                self._watch.pause()
                self._trouble.met("all orders", error)
            await is_set_within(self._stop, pause)

    def stop(self) -> None:
        self._stop.set()

    async def look(self) -> None:
        """Publish an event for each deadline that has passed. A repeat has no further effect."""
        order_ids = await asyncio.to_thread(self._in_progress)
        now = await asyncio.to_thread(self._watch.look, order_ids)
        next_look = {order_id: self._next_look.get(order_id, now) for order_id in order_ids}
        self._next_look = next_look
        for order_id in order_ids:
            if next_look[order_id] <= now:
                await self._look_at(order_id)
                next_look[order_id] = now + self._interval

    def _in_progress(self) -> list[str]:
        """The orders in progress, and those that the orders service gave up before it could record them."""
        gave_up = given_up(self._progress)
        unrecorded = self._orders.without_record(gave_up) if gave_up else []
        return [*self._orders.unended(Style.CHOREOGRAPHY), *unrecorded]

    async def _look_at(self, order_id: str) -> None:
        recorded = await self._bus.of(order_id)
        try:
            order = OrderView(order_id, recorded)
            since = order.held or (order.events[-1] if order.events else None)
            seconds = await asyncio.to_thread(self._watch.unchanged, order_id, since.id if since else "")
            event = passed(order, seconds, self._limits)
        except (ValueError, LookupError, TypeError) as error:  # damaged events of one order must not stop the others
            self._trouble.met(order_id, error)
            return
        if event:
            _log.warning("order %s: %s", order_id, event.data)
            await self._bus.append([event])
        self._trouble.over(order_id)


def passed(order: OrderView, seconds: float, limits: Limits) -> CloudEvent | None:
    """The event for the deadline that this order has passed, if any, after `seconds` in its present state."""
    if not order.events or order.end:
        return None
    last = order.events[-1]
    if order.held:
        if seconds < limits.review:
            return None
        note = f"nobody decided within {timedelta(seconds=limits.review)}"
        return _event(ReviewDecided(decision=Decision.DECLINE, note=note), order.held, "review-deadline")
    if not order.stop and not order.is_past_pivot:
        if seconds < limits.step:
            return None
        reason = f"Outage: nothing happened for {timedelta(seconds=limits.step)} after {last.type}"
        return _event(OrderStalled(step="", reason=reason), last, "stalled")
    if seconds < limits.undo or order.problems:
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
