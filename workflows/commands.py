"""Makes the commands of an order's steps, each with its idempotency key, `<order_id>:<step>`."""

from activities import activity_name
from activities.orders import Orders
from client.contracts import OrderState, Review
from kernel.keys import Key
from kernel.money import Money
from services.fraud.contracts import DecideOnFraud, ScreenOrder
from services.inventory.contracts import ReserveStock, StockLine
from services.orders.contracts import CompleteOrder, CreateOrder, FlagOrder, OrderStatus
from services.payments.contracts import ChargeCard
from services.shipping.contracts import Destination, ShipOrder
from workflows.contracts import OrderInput, PlaceOrder
from workflows.required_actions import Settled

# The steps that end an order in the orders service's own record.
_ENDS = {
    activity_name(Orders.complete): OrderStatus.COMPLETED,
    activity_name(Orders.reject): OrderStatus.REJECTED,
    activity_name(Orders.cancel): OrderStatus.CANCELLED,
}


def create(place: PlaceOrder, saga: str = "") -> CreateOrder:
    order = place.order
    return CreateOrder(
        key=str(Key(order.order_id, "create")),
        order_id=order.order_id,
        customer_id=order.customer_id,
        lines=order.lines,
        ship_to=order.ship_to,
        payment_token=order.payment_token,
        policy=place.policy,
        saga=saga,
    )


def screen(order: OrderInput, total: Money) -> ScreenOrder:
    return ScreenOrder(
        key=str(Key(order.order_id, "screen")),
        order_id=order.order_id,
        customer_id=order.customer_id,
        amount=total,
        country=order.ship_to.country,
    )


def decide(order: OrderInput, review: Review) -> DecideOnFraud:
    return DecideOnFraud(
        key=str(Key(order.order_id, "decide")),
        order_id=order.order_id,
        decision=review.decision,
        note=review.note,
        actor=review.actor,
    )


def reserve(order: OrderInput) -> ReserveStock:
    lines = tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in order.lines)
    return ReserveStock(key=str(Key(order.order_id, "reserve")), order_id=order.order_id, lines=lines)


def charge(order: OrderInput, total: Money) -> ChargeCard:
    return ChargeCard(
        key=str(Key(order.order_id, "charge")), order_id=order.order_id, amount=total, payment_token=order.payment_token
    )


def ship(order: OrderInput) -> ShipOrder:
    destination = Destination.model_validate(order.ship_to.model_dump())
    return ShipOrder(key=str(Key(order.order_id, "ship")), order_id=order.order_id, ship_to=destination)


def complete(order: OrderInput, *, after_all: bool = False) -> CompleteOrder:
    return CompleteOrder(key=str(Key(order.order_id, "complete")), order_id=order.order_id, after_all=after_all)


def flag(order: OrderInput, state: OrderState, settled: Settled | None, sequence: int) -> FlagOrder:
    """The flag for what needs an operator now, with what was settled by hand (perhaps the order's end)."""
    return FlagOrder(
        key=str(Key(order.order_id, "flag")),
        order_id=order.order_id,
        problem="; ".join(state.problems),
        settled=str(settled) if settled else "",
        ended=_ENDS.get(settled.step) if settled else None,
        reason=state.reason if settled else "",
        actor=settled.actor if settled else "",
        sequence=sequence,
    )
