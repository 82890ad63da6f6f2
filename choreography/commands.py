"""The commands that events become, under the same keys as the orchestrated saga's: `<order_id>:<step>`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from choreography.events import AttentionNeeded, AttentionSettled, OrderPlaced, ReviewDecided
from kernel.contracts import Event, FailureEvent, Style, Undo
from kernel.envelope import CloudEvent
from kernel.keys import Key
from services.fraud.contracts import DecideOnFraud, ScreenOrder
from services.inventory.contracts import ReserveStock, StockLine
from services.orders.contracts import CompleteOrder, CreateOrder, FlagOrder
from services.orders.events import OrderCreated
from services.payments.contracts import ChargeCard
from services.shipping.contracts import Destination, ShipOrder

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Heard:
    """All that a service has heard of one order, and the event that it hears now."""

    cause: CloudEvent
    data: dict[str, list[Any]]

    @property
    def order_id(self) -> str:
        return self.cause.correlationid

    def first(self, event: type[E]) -> E:
        return event.model_validate(self.data[event.type()][0])

    def all(self, event: type[E]) -> list[E]:
        return [event.model_validate(data) for data in self.data.get(event.type(), ())]

    def request(self, step: str) -> dict[str, Any]:
        """What every command has."""
        key = str(Key(self.order_id, step))
        return {"key": key, "order_id": self.order_id, "style": Style.CHOREOGRAPHY, "cause": self.cause}


def create(heard: Heard) -> CreateOrder:
    order = heard.first(OrderPlaced).order
    return CreateOrder(
        **heard.request("create"),
        customer_id=order.customer_id,
        lines=order.lines,
        ship_to=order.ship_to,
        payment_token=order.payment_token,
    )


def screen(heard: Heard) -> ScreenOrder:
    order = heard.first(OrderCreated)
    return ScreenOrder(
        **heard.request("screen"),
        customer_id=order.customer_id,
        amount=order.total,
        country=order.ship_to.country,
    )


def decide(heard: Heard) -> DecideOnFraud:
    decided = heard.first(ReviewDecided)
    return DecideOnFraud(**heard.request("decide"), decision=decided.decision, note=decided.note)


def reserve(heard: Heard) -> ReserveStock:
    lines = tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in heard.first(OrderCreated).lines)
    return ReserveStock(**heard.request("reserve"), lines=lines)


def charge(heard: Heard) -> ChargeCard:
    order = heard.first(OrderCreated)
    return ChargeCard(**heard.request("charge"), amount=order.total, payment_token=order.payment_token)


def ship(heard: Heard) -> ShipOrder:
    ship_to = Destination.model_validate(heard.first(OrderCreated).ship_to.model_dump())
    return ShipOrder(**heard.request("ship"), ship_to=ship_to)


def complete(heard: Heard) -> CompleteOrder:
    return CompleteOrder(**heard.request("complete"))


def undo(step: str, why: type[Event]) -> Callable[[Heard], Undo]:
    """Of what was done under this step's key, for the reason that the event gives."""

    def command(heard: Heard) -> Undo:
        return Undo(**heard.request(step), reason=_reason(heard.first(why)))

    return command


def flag(heard: Heard) -> FlagOrder:
    """What is stuck now: all that needed attention, but for what was settled since."""
    problems = {needed.step: needed.problem for needed in heard.all(AttentionNeeded)}
    settled = ""
    if heard.cause.type == AttentionSettled.type():
        latest = heard.all(AttentionSettled)[-1]
        done = {step: problem for step, problem in problems.items() if latest.step in ("", step)}
        problems = {step: problem for step, problem in problems.items() if step not in done}
        if latest.note:
            settled = "; ".join(f"{_named(step, problem)} – {latest.note}" for step, problem in done.items())
            settled = settled or latest.note
    shown = "; ".join(_named(step, problem) for step, problem in problems.items())
    return FlagOrder(**heard.request("flag"), problem=shown, settled=settled)


def _named(step: str, problem: str) -> str:
    return f"{step}: {problem}" if step else problem


def _reason(event: Event) -> str:
    if isinstance(event, FailureEvent):
        return event.reason
    reason: str = getattr(event, "reason", "")
    return ": ".join(filter(None, ["Cancelled by the customer", reason]))
