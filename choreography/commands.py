"""Makes the commands of the reactions from an order's events."""

from collections.abc import Callable

from choreography.events import AttentionSettled, CancelRequested, OrderPlaced, ReviewDecided
from choreography.order_events import OrderEvents, in_words, is_past_pivot, problems_of, reason_of, stop_of
from kernel.contracts import Event, Undo
from services.fraud.contracts import DecideOnFraud, ScreenOrder
from services.inventory.contracts import ReserveStock, StockLine
from services.orders.contracts import CompleteOrder, CreateOrder, FlagOrder, OrderStatus
from services.orders.declaration import ORDERS
from services.orders.events import ENDS, OrderCreated
from services.payments.contracts import ChargeCard
from services.shipping.contracts import Destination, ShipOrder


def create(events: OrderEvents) -> CreateOrder:
    order = events.first(OrderPlaced).order
    return CreateOrder(
        **events.request,
        customer_id=order.customer_id,
        lines=order.lines,
        ship_to=order.ship_to,
        payment_token=order.payment_token,
    )


def screen(events: OrderEvents) -> ScreenOrder:
    order = events.first(OrderCreated)
    return ScreenOrder(
        **events.request, customer_id=order.customer_id, amount=order.total, country=order.ship_to.country
    )


def decide(events: OrderEvents) -> DecideOnFraud:
    decided = events.first(ReviewDecided)
    return DecideOnFraud(**events.request, decision=decided.decision, note=decided.note, actor=decided.actor)


def reserve(events: OrderEvents) -> ReserveStock:
    lines = tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in events.first(OrderCreated).lines)
    return ReserveStock(**events.request, lines=lines)


def charge(events: OrderEvents) -> ChargeCard:
    order = events.first(OrderCreated)
    return ChargeCard(**events.request, amount=order.total, payment_token=order.payment_token)


def ship(events: OrderEvents) -> ShipOrder:
    ship_to = Destination.model_validate(events.first(OrderCreated).ship_to.model_dump())
    return ShipOrder(**events.request, ship_to=ship_to)


def complete(events: OrderEvents) -> CompleteOrder:
    return CompleteOrder(**events.request)


def undo(because: type[Event]) -> Callable[[OrderEvents], Undo]:
    """An undo, for the reason that the event gives."""

    def command(events: OrderEvents) -> Undo:
        event = events.published(because)
        return Undo(**events.request, reason=reason_of(event), actor=event.data.get("actor", ""))

    return command


def flag(events: OrderEvents) -> FlagOrder:
    """The flag for what is stuck now, with what an operator has just settled by hand (the order's end included)."""
    stuck = problems_of(events.events)
    request, problem = events.request, "; ".join(in_words(stuck))
    is_settled = events.cause.type == AttentionSettled.type()
    by_operator = AttentionSettled.model_validate(events.cause.data) if is_settled else None
    if by_operator is None or not by_operator.note:  # without a note it was a retry, and nothing was settled
        return FlagOrder(**request, problem=problem)
    before = problems_of(events.events[:-1])
    done = in_words({step: problem for step, problem in before.items() if step not in stuck})
    settled = "; ".join(f"{one} – {by_operator.note}" for one in done) or by_operator.note
    ended = _ended(by_operator.step, events)
    return FlagOrder(
        **request, problem=problem, settled=settled, ended=ended, reason=by_operator.reason, actor=by_operator.actor
    )


def _ended(step: str, events: OrderEvents) -> OrderStatus | None:
    """How the order ends now that an operator settled this step, or the whole order if `step` is empty."""
    if step:
        ends = (event for one in ORDERS.operations if f"{ORDERS.name}.{one.verb}" == step for event in one.publishes)
        return next((ENDS[event] for event in ends if event in ENDS), None)
    if is_past_pivot(events.events):
        return OrderStatus.COMPLETED
    stop = stop_of(events.events)
    return OrderStatus.CANCELLED if stop and stop.type == CancelRequested.type() else OrderStatus.REJECTED
