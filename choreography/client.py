"""Orders without a conductor: placed, decided on and cancelled by telling the bus, and looked at in its archive."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence

from choreography.events import AttentionSettled, CancelRequested, OrderPlaced, ReviewDecided
from choreography.projection import is_choreographed, state_of
from choreography.reactions import REACTIONS
from client.contracts import OrderState, PlacedOrder, Resolution, ResolveBy, Review, Stage
from client.errors import DifferentContent, NoSuchOrder, NotNow
from kernel.contracts import Event, Style
from kernel.envelope import CloudEvent, new_event
from kernel.keys import event_id
from kernel.money import Money
from messaging.bus import Bus, Recorded
from messaging.progress import DeliveryFailure, FailureState, Progress
from services.inventory.events import StockReleased
from services.orders.contracts import Order, OrderStatus
from services.orders.events import OrderCancelled, OrderCompleted, OrderCreated, OrderRejected
from services.payments.events import PaymentRefunded
from services.shipping.events import ShipmentCancelled, Shipped

_POLL_SECONDS = 0.05
_LONGEST_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 2.0
# What is told in a service's place once an operator has settled by hand what it could not do.
_INSTEAD: dict[str, Callable[[str, OrderCreated | None], Event]] = {
    "release": lambda _note, _order: StockReleased(had_effect=False),
    "refund": lambda _note, _order: PaymentRefunded(had_effect=False),
    "withdraw": lambda note, _order: ShipmentCancelled(had_effect=False, reason=note),
    "reject": lambda note, order: OrderRejected(reason=note, customer_id=order.customer_id if order else ""),
    "cancel": lambda note, order: OrderCancelled(reason=note, customer_id=order.customer_id if order else ""),
    "complete": lambda _note, order: OrderCompleted(
        customer_id=order.customer_id if order else "", total=order.total if order else Money(amount=0, currency="")
    ),
}

Settle = Callable[[str, CloudEvent], None]

_AT_REST = (Stage.ENDED, Stage.REVIEW, Stage.ATTENTION)


class ChoreographyClient:
    """As `SagaClient`, for orders that no workflow conducts.

    Args:
        settle: has a consumer know that a person has dealt with an event in its place.
    """

    def __init__(self, bus: Bus, progress: Progress, settle: Settle) -> None:
        self._bus = bus
        self._progress = progress
        self._settle = settle

    async def place(self, order: Order) -> None:
        """Tell that the order was placed; the same order again is the first one. Raises DifferentContent."""
        placed = OrderPlaced(order=order)
        events = await self._bus.of(order.order_id)
        if not events:
            await self._tell(order.order_id, placed, event_id(order.order_id, OrderPlaced.type()), "/customer")
            events = await self._bus.of(order.order_id)  # somebody else may have been quicker
        first = next((one.event for one in events if one.event.type == OrderPlaced.type()), None)
        if first is None or OrderPlaced.model_validate(first.data) != placed:
            raise DifferentContent(
                f"order {order.order_id} exists already, with another content or style; "
                "give the new one another --order-id"
            )

    async def get(self, order_id: str) -> PlacedOrder:
        """Where an order stands, also when no worker runs. Raises NoSuchOrder."""
        return PlacedOrder(state_of(order_id, await self._events(order_id)), style=Style.CHOREOGRAPHY)

    async def outcome(self, order_id: str) -> PlacedOrder:
        """Wait until the order has ended, or waits for a person."""
        pause = _POLL_SECONDS
        while (placed := await self.get(order_id)).state.stage not in _AT_REST:
            await asyncio.sleep(pause)
            pause = min(1.3 * pause, _LONGEST_POLL_SECONDS)
        return placed

    async def cancel(self, order_id: str, reason: str) -> None:
        """Raises NoSuchOrder, NotNow."""
        state = await self._in_progress(order_id)
        if state.tracking_number:
            raise NotNow(f"order {order_id}: it is too late to cancel: the parcel is on its way")
        if state.stage is Stage.UNDOING:
            raise NotNow(f"order {order_id}: it is too late to cancel: it is being undone already ({state.reason})")
        await self._tell(order_id, CancelRequested(reason=reason), _unique(order_id), "/customer")
        while True:
            events = await self._events(order_id)
            state = state_of(order_id, events)
            if any(one.event.type == Shipped.type() for one in events):
                raise NotNow(f"order {order_id}: it is too late to cancel: the parcel is on its way")
            if state.stage in _AT_REST:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def review(self, order_id: str, review: Review) -> None:
        """Raises NoSuchOrder, NotNow."""
        state = await self._in_progress(order_id)
        if state.stage is not Stage.REVIEW:
            raise NotNow(f"order {order_id}: the order is not held for review")
        decided = ReviewDecided(decision=review.decision, note=review.note)
        await self._tell(order_id, decided, _unique(order_id), "/reviewer")

    async def resolve(self, order_id: str, resolution: Resolution) -> None:
        """Have what is stuck tried again, or tell in its place that it is done. Raises NoSuchOrder, NotNow."""
        state = await self._in_progress(order_id)
        if not state.problems:
            raise NotNow(f"order {order_id}: the order does not need attention")
        stuck = [one for one in await self._stuck(order_id) if resolution.step in ("", _step(one))]
        if not stuck and not resolution.step:
            await self._settle_as_a_whole(order_id, state, resolution)
        elif not stuck:
            steps = ", ".join(problem.partition(":")[0] for problem in state.problems)
            raise NotNow(f"order {order_id}: {resolution.step} is not stuck; {steps} is")
        for dead_letter in stuck:
            if resolution.decision is ResolveBy.RETRY:
                await self.retry(dead_letter)
            else:
                await self._settle_by_hand(dead_letter, resolution.note)

    async def retry(self, dead_letter: DeliveryFailure) -> None:
        """Have a service's dead letter handled again; it does not need attention while it is."""
        event = dead_letter.recorded.event
        settled = AttentionSettled(step=_step(dead_letter), note="")
        await self._tell(event.correlationid, settled, _unique(event.correlationid), "/operator")
        await asyncio.to_thread(self._progress.requeue, dead_letter.consumer, event.id)

    async def _settle_as_a_whole(self, order_id: str, state: OrderState, resolution: Resolution) -> None:
        """No service has failed: the clock found that nothing happens any more. Raises NotNow."""
        if resolution.decision is ResolveBy.RETRY:
            raise NotNow(
                f"order {order_id}: no service has failed, so there is nothing to try again; "
                "'starter.py trace' shows what is missing: settle it by hand"
            )
        settled = AttentionSettled(step="", note=resolution.note)
        await self._tell(order_id, settled, _unique(order_id), "/operator")
        end = _INSTEAD["complete" if state.tracking_number else "reject"]
        told = end(resolution.note, await self._created(order_id))
        await self._tell(order_id, told, event_id(order_id, "ended-by-hand"), "/operator")

    async def _created(self, order_id: str) -> OrderCreated | None:
        events = (one.event for one in await self._events(order_id))
        created = next((event for event in events if event.type == OrderCreated.type()), None)
        return OrderCreated.model_validate(created.data) if created else None

    async def _settle_by_hand(self, dead_letter: DeliveryFailure, note: str) -> None:
        """Tell in the service's place what it would have told, so that the order goes on."""
        event = dead_letter.recorded.event
        created = await self._created(event.correlationid)
        step = _step(dead_letter)
        verb = step.partition(".")[2]
        settled = AttentionSettled(step=step, note=note)
        await self._tell(event.correlationid, settled, _unique(event.correlationid), "/operator")
        instead = _INSTEAD[verb](note, created)
        await self._tell(
            event.correlationid, instead, event_id(event.id, f"{verb}-by-hand"), "/operator", causation=event.id
        )
        await asyncio.to_thread(self._settle, dead_letter.consumer, event)
        await asyncio.to_thread(self._progress.settle, dead_letter.consumer, event.id)

    async def _stuck(self, order_id: str) -> list[DeliveryFailure]:
        """Its dead letters, which come a moment after the word that there are some."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while not (dead_letters := await self._dead_letters(order_id)) and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        return dead_letters

    async def _dead_letters(self, order_id: str) -> list[DeliveryFailure]:
        dead_letters = await asyncio.to_thread(self._progress.failures, FailureState.DEAD, correlation=order_id)
        return [
            dead_letter
            for dead_letter in dead_letters
            if dead_letter.consumer in {reaction.service for reaction in REACTIONS}
        ]

    async def _events(self, order_id: str) -> Sequence[Recorded]:
        events = await self._bus.of(order_id)
        if not is_choreographed(events):
            raise NoSuchOrder(f"there is no order {order_id}; 'starter.py list' shows those that are")
        return events

    async def _in_progress(self, order_id: str) -> OrderState:
        state = (await self.get(order_id)).state
        if state.status not in (OrderStatus.IN_PROGRESS, OrderStatus.NEEDS_ATTENTION):
            raise NotNow(f"order {order_id} has ended already: {state.status}")
        return state

    async def _tell(self, order_id: str, event: Event, event_id: str, source: str, *, causation: str = "") -> None:
        told = new_event(
            event.type(),
            event.model_dump(mode="json"),
            event_id=event_id,
            source=source,
            correlation=order_id,
            causation=causation or source,
            style=Style.CHOREOGRAPHY,
        )
        await self._bus.append([told])


def _unique(order_id: str) -> str:
    return event_id(order_id, uuid.uuid4().hex)


def _step(dead_letter: DeliveryFailure) -> str:
    event = dead_letter.recorded.event.type
    lines = (line for line in REACTIONS if line.service == dead_letter.consumer)
    return next((line.step for line in lines if any(one.type() == event for one in line.after)), dead_letter.consumer)
