"""Choreographed orders: commands are published to the bus as events, and the state is read from its archive."""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from choreography.attention import attention, history, line_that_failed, placed, step_that_failed
from choreography.dead_letters import SERVICES, given_up
from choreography.events import AttentionSettled, CancelRequested, OrderContent, OrderPlaced, ReviewDecided
from choreography.projection import OrderView
from client.attention import AttentionEntry, unseen
from client.contracts import OrderHistory, PlacedOrder, Resolution, ResolveBy, Review, Stage
from client.differences import different_content
from client.errors import DifferentContent, NoSuchOrder, NotNow
from client.free_text import check_length
from client.order import Order
from client.order_id import check_order_id
from client.records import OrderOnRecord, OrderRecords
from kernel.contracts import Event, Policy, Style, UndoneEvent
from kernel.envelope import CloudEvent, new_event
from kernel.errors import SettingsError
from kernel.keys import event_id
from kernel.service import Operation
from kernel.trouble import described
from messaging.bus import Bus
from messaging.failure import OWED, DeliveryFailure, FailureState
from messaging.progress import Progress
from services.orders.events import OrderCreated
from services.shipping.contracts import ShippingPort
from services.shipping.declaration import SHIPPING
from services.shipping.events import Shipped

_POLL_SECONDS = 0.05
_LONGEST_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 2.0
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

E = TypeVar("E", bound=Event)

Settle = Callable[[str, CloudEvent], None]

_WITHDRAWN = f"{SHIPPING.name}.{SHIPPING.operation(ShippingPort.withdraw).verb}"
_WAITED_FOR = (Stage.ENDED, Stage.REVIEW, Stage.ATTENTION)


class ChoreographyClient:
    """A `client.protocol.OrderClient` for choreographed orders.

    Args:
        settle: records in a consumer's inbox that a person has handled an event in its place.
        policy: the workers' own; it does not travel with choreographed orders.
        records: what the orders service has on record.
    """

    def __init__(self, bus: Bus, progress: Progress, settle: Settle, policy: Policy, records: OrderRecords) -> None:
        self._bus = bus
        self._progress = progress
        self._settle = settle
        self._policy = policy
        self._records = records

    async def place(self, order: Order) -> None:
        """Publish that the order was placed. Placing the same order again has no effect. Raises DifferentContent."""
        if record := await self._record(order.order_id):
            record.check_same(order, Style.CHOREOGRAPHY)
        order_placed = OrderPlaced(order=OrderContent.model_validate(order.content()))
        found = await self._look(order.order_id)
        if not found.events:
            await self._publish(order.order_id, order_placed, event_id(order.order_id, OrderPlaced.type()), "/customer")
            found = await self._look(order.order_id)  # another client may have been quicker
        first = found.first(OrderPlaced)
        if first is None or first.data != {"order": order.content()}:
            if first:
                raise different_content(order.order_id, first.data.get("order", {}), order.content())
            raise DifferentContent(
                f"order {order.order_id} exists already, in another style; use another --order-id for the new one"
            )

    async def get(self, order_id: str) -> PlacedOrder:
        """The order's state; no worker is needed. Raises NoSuchOrder, and DifferentContent as `outcome` does."""
        try:
            order = await self._order(order_id)
        except NoSuchOrder:
            record = await self._record(order_id)
            if record is None or record.style is not Style.CHOREOGRAPHY:
                raise
            return record.as_placed  # the bus was lost
        owed = [] if order.end else await asyncio.to_thread(self._progress.failures, *OWED, correlation=order_id)
        return placed(order, owed, self._policy)

    async def history(self, order_id: str) -> OrderHistory:
        states = (*OWED, FailureState.DEAD)
        failing = await asyncio.to_thread(self._progress.failures, *states, correlation=order_id)
        recovered = await asyncio.to_thread(self._progress.recovered, order_id)
        return history(await self._look(order_id), [*recovered, *failing])

    async def attention(self, order_ids: Iterable[str], after: timedelta) -> list[AttentionEntry]:
        """What of these orders needs a person, including each step that has been retried for longer than `after`."""
        owed = defaultdict[str, list[DeliveryFailure]](list)
        for failure in await asyncio.to_thread(self._progress.failures, *OWED):
            if failure.consumer in SERVICES:
                owed[failure.recorded.event.correlationid].append(failure)
        now, found = datetime.now(UTC), list[AttentionEntry]()
        for order_id in dict.fromkeys((*order_ids, *await self._without_a_record(), *owed)):
            order = await self._look(order_id)
            try:
                found += attention(order, owed[order_id], self._policy, after, now)
            except (ValueError, LookupError, TypeError) as error:  # one order's damaged events must not hide others
                found.append(
                    unseen(f"order {order_id}", described(error), f"starter.py events list --order {order_id}")
                )
        return found

    async def without_a_record(self) -> list[PlacedOrder]:
        """The orders that the orders service never recorded, since it gave up. Raises SettingsError."""
        views = [await self._look(order_id) for order_id in await self._without_a_record()]
        orders = [PlacedOrder(view.state, Style.CHOREOGRAPHY, placed_at=view.events[0].time) for view in views]
        return sorted(orders, key=lambda order: order.placed_at or _LONG_AGO, reverse=True)

    async def outcome(self, order_id: str) -> PlacedOrder:
        """Wait until the order has ended or needs a person.

        Raises NoSuchOrder; DifferentContent if an orchestrated order took the id at the same moment.
        """
        pause = _POLL_SECONDS
        while (await self._order(order_id)).stage not in _WAITED_FOR:
            await asyncio.sleep(pause)
            pause = min(1.3 * pause, _LONGEST_POLL_SECONDS)
        return await self.get(order_id)

    async def cancel(self, order_id: str, reason: str, actor: str = "") -> None:
        """Raises NoSuchOrder, NotNow, TooLong."""
        check_length(reason, actor)
        too_late = f"order {order_id}: it is too late to cancel: "
        order = await self._in_progress(order_id)
        if order.is_past_pivot:
            raise NotNow(f"{too_late}the parcel is on its way")
        if order.is_being_undone:
            raise NotNow(f"{too_late}it is being undone already ({order.reason})")
        requested = _by(actor, CancelRequested(reason=reason))
        await self._publish(order_id, requested, _unique(order_id), "/customer")
        while True:
            order = await self._order(order_id)
            if order.is_past_pivot:
                raise NotNow(f"{too_late}the parcel is on its way")
            if order.stage in _WAITED_FOR:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def review(self, order_id: str, review: Review) -> None:
        """Raises NoSuchOrder, NotNow, TooLong."""
        check_length(review.note, review.actor)
        order = await self._in_progress(order_id)
        if order.stage is not Stage.REVIEW:
            raise NotNow(f"order {order_id}: the order is not held for review")
        decided = _by(review.actor, ReviewDecided(decision=review.decision, note=review.note))
        await self._publish(order_id, decided, _unique(order_id), "/reviewer")

    async def resolve(self, order_id: str, resolution: Resolution) -> None:
        """Retry what is stuck, or publish that it was settled by hand.

        Raises NoSuchOrder, NotNow, TooLong.
        """
        check_length(resolution.note, resolution.step, resolution.actor)
        order = await self._in_progress(order_id)
        if not order.problems:
            raise NotNow(f"order {order_id}: the order does not need attention")
        stuck = [one for one in await self._stuck(order_id) if resolution.step in ("", step_that_failed(one, order))]
        if not stuck and not resolution.step:
            await self._settle_as_a_whole(order, resolution)
        elif not stuck:
            raise NotNow(f"order {order_id}: {resolution.step} is not stuck; {', '.join(order.problems)} is")
        for dead_letter in stuck:
            _check_decision(step_that_failed(dead_letter, order), resolution.decision)
        for dead_letter in stuck:
            if resolution.decision is ResolveBy.RETRY:
                await self.retry(dead_letter, resolution.actor)
            else:
                await self._settle_by_hand(dead_letter, order, resolution)

    async def retry(self, dead_letter: DeliveryFailure, actor: str = "") -> None:
        """Deliver a service's dead letter again. The order needs no attention meanwhile."""
        event = dead_letter.recorded.event
        order = await self._look(event.correlationid)
        settled = _by(actor, AttentionSettled(step=step_that_failed(dead_letter, order), note=""))
        await self._publish(event.correlationid, settled, _unique(event.correlationid), "/operator")
        await asyncio.to_thread(self._progress.requeue, dead_letter.consumer, event.id)

    async def _settle_as_a_whole(self, order: OrderView, resolution: Resolution) -> None:
        """For an order without a dead letter, which the deadlines found stalled. Raises NotNow."""
        if resolution.decision is ResolveBy.RETRY:
            raise NotNow(
                f"order {order.order_id}: no service has failed, so there is nothing to retry; "
                "'starter.py trace' shows what is missing: settle it by hand"
            )
        if resolution.decision.is_about_a_parcel:
            raise NotNow(f"order {order.order_id}: no shipment of it is stuck; use 'resolved'")
        settled = _by(resolution.actor, AttentionSettled(step="", note=resolution.note, reason=order.reason))
        await self._publish(order.order_id, settled, _unique(order.order_id), "/operator")

    async def _settle_by_hand(self, dead_letter: DeliveryFailure, order: OrderView, resolution: Resolution) -> None:
        """Publish the event that the service would have published. An order's end is left to the orders service."""
        order_id, event, note = order.order_id, dead_letter.recorded.event, resolution.note
        step = step_that_failed(dead_letter, order)
        settled = _by(resolution.actor, AttentionSettled(step=step, note=note, reason=order.reason))
        await self._publish(order_id, settled, _unique(order_id), "/operator")
        line = line_that_failed(dead_letter, order)
        instead = _undone_by_hand(line.operation, note) if line else None
        if resolution.decision is ResolveBy.DELIVERED:
            instead = Shipped(tracking_number="", country="")  # the tracking number is not on record
        if line and instead:
            by_hand = event_id(event.id, f"{line.operation.verb}-by-hand")
            await self._publish(event.correlationid, instead, by_hand, "/operator", causation=event.id)
        await asyncio.to_thread(self._settle, dead_letter.consumer, event)
        await asyncio.to_thread(self._progress.settle, dead_letter.consumer, event.id)

    async def _stuck(self, order_id: str) -> list[DeliveryFailure]:
        """The order's dead letters. They are written a moment after the event that announces them, so wait for them."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            found = await asyncio.to_thread(self._progress.failures, FailureState.DEAD, correlation=order_id)
            stuck = [one for one in found if one.consumer in SERVICES]
            if stuck or time.monotonic() > deadline:
                return stuck
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self, order_id: str) -> OrderView:
        return OrderView(order_id, await self._bus.of(check_order_id(order_id)))

    async def _record(self, order_id: str) -> OrderOnRecord | None:
        """None also if it cannot be read: the orders service refuses an id that belongs to another order anyway."""
        with suppress(SettingsError):
            return await self._records.find(order_id)
        return None

    async def _without_a_record(self) -> list[str]:
        gave_up = await asyncio.to_thread(given_up, self._progress)
        recorded = await self._records.of(gave_up)
        return [order_id for order_id in gave_up if order_id not in recorded]

    async def _order(self, order_id: str) -> OrderView:
        order = await self._look(order_id)
        if order.is_choreographed and order.first(OrderCreated) is None:
            record = await self._record(order_id)
            if record and record.style is not Style.CHOREOGRAPHY:
                raise DifferentContent(
                    f"order id {order_id} was taken by an orchestrated order at the same moment, so this order was "
                    "not placed; use another --order-id"
                )
        if not order.is_choreographed:
            raise NoSuchOrder(f"there is no order {order_id}; 'starter.py list' shows those that are")
        return order

    async def _in_progress(self, order_id: str) -> OrderView:
        order = await self._order(order_id)
        if order.end:
            raise NotNow(f"order {order_id} has ended already: {order.end}")
        return order

    async def _publish(self, order_id: str, event: Event, event_id: str, source: str, *, causation: str = "") -> None:
        published = new_event(
            event.type(),
            event.model_dump(mode="json", exclude_unset=True),  # older readers may refuse new fields
            event_id=event_id,
            source=source,
            correlation=order_id,
            causation=causation or source,
            style=Style.CHOREOGRAPHY,
        )
        await self._bus.append([published])


def _check_decision(step: str, decision: ResolveBy) -> None:
    """`returned` and `delivered` are for a shipment that cannot be called back, and only for that. Raises NotNow."""
    of_a_shipment = step == _WITHDRAWN
    if decision.is_about_a_parcel and not of_a_shipment:
        raise NotNow(f"{step}: {decision} is for a shipment that cannot be called back; use 'resolved'")
    if decision is ResolveBy.RESOLVED and of_a_shipment:
        raise NotNow(f"{step} is stuck: use 'returned' or 'delivered', by where the parcel is")


def _undone_by_hand(operation: Operation[Any], note: str) -> Event | None:
    """The event that an undo publishes when there is nothing to undo; None if it publishes no such event."""
    kinds = (event for event in operation.publishes if issubclass(event, UndoneEvent))
    return next((event.model_validate({"had_effect": False, "reason": note}) for event in kinds), None)


def _by(actor: str, event: E) -> E:
    """The event with its actor. Without one, the field is left out, for older readers."""
    return event.model_copy(update={"actor": actor}) if actor else event


def _unique(order_id: str) -> str:
    return event_id(order_id, uuid.uuid4().hex)
