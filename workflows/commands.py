"""The commands that an order becomes, each under its own key: `<order_id>:<step>`."""

from client.contracts import Review
from kernel.keys import Key
from kernel.money import Money
from services.fraud.contracts import DecideOnFraud, ScreenOrder
from services.inventory.contracts import ReserveStock, StockLine
from services.orders.contracts import CompleteOrder, CreateOrder, FlagOrder, Order
from services.payments.contracts import ChargeCard
from services.shipping.contracts import Destination, ShipOrder


def create(order: Order) -> CreateOrder:
    return CreateOrder(
        key=str(Key(order.order_id, "create")),
        order_id=order.order_id,
        customer_id=order.customer_id,
        lines=order.lines,
        ship_to=order.ship_to,
        payment_token=order.payment_token,
    )


def screen(order: Order, total: Money) -> ScreenOrder:
    return ScreenOrder(
        key=str(Key(order.order_id, "screen")),
        order_id=order.order_id,
        customer_id=order.customer_id,
        amount=total,
        country=order.ship_to.country,
    )


def decide(order: Order, review: Review) -> DecideOnFraud:
    return DecideOnFraud(
        key=str(Key(order.order_id, "decide")), order_id=order.order_id, decision=review.decision, note=review.note
    )


def reserve(order: Order) -> ReserveStock:
    lines = tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in order.lines)
    return ReserveStock(key=str(Key(order.order_id, "reserve")), order_id=order.order_id, lines=lines)


def charge(order: Order, total: Money) -> ChargeCard:
    return ChargeCard(
        key=str(Key(order.order_id, "charge")), order_id=order.order_id, amount=total, payment_token=order.payment_token
    )


def ship(order: Order) -> ShipOrder:
    destination = Destination.model_validate(order.ship_to.model_dump())
    return ShipOrder(key=str(Key(order.order_id, "ship")), order_id=order.order_id, ship_to=destination)


def complete(order: Order) -> CompleteOrder:
    return CompleteOrder(key=str(Key(order.order_id, "complete")), order_id=order.order_id)


def flag(order: Order, problem: str, settled: str) -> FlagOrder:
    return FlagOrder(key=str(Key(order.order_id, "flag")), order_id=order.order_id, problem=problem, settled=settled)
