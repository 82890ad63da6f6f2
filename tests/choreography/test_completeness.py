"""A line or an event that is missing in the table is named, also of a service that is added."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest

import choreography.commands as commands
from choreography.completeness import IncompleteTable, check, gaps
from choreography.order_events import OrderEvents
from choreography.reaction import Reaction, Reactions, Table
from choreography.reactions import REACTIONS, inventory, orders, payments
from kernel.contracts import Command, Contract, Event, FailureEvent, Undo, Undone, UndoneEvent
from kernel.service import Kind, Service, step, undo
from services.fraud.events import FraudConfirmed
from services.inventory.contracts import InventoryPort
from services.inventory.events import StockReleased, StockReserved
from services.orders.contracts import OrdersPort
from services.orders.events import OrderCreated
from services.payments.contracts import PaymentsPort
from services.payments.events import PaymentFailed, PaymentRefunded
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed

Line = Reaction[Any, Any]

# A sixth service, with its lines and what it changes of the others'.


class GiftWrapped(Event):
    pass


class WrappingFailed(FailureEvent):
    pass


class GiftUnwrapped(UndoneEvent):
    pass


class Wrapped(Contract):
    pass


class WrappingPort(Protocol):
    def wrap(self, command: Command) -> Wrapped: ...
    def unwrap(self, command: Undo) -> Undone: ...


def _open(_site: object) -> NoReturn:
    raise AssertionError("only its lines are looked at")


WRAPPING: Service[WrappingPort] = Service(
    name="wrapping",
    port=WrappingPort,
    open=_open,
    books=_open,
    operations=(
        step(WrappingPort.wrap, publishes=(GiftWrapped,), refused=WrappingFailed),
        undo(WrappingPort.unwrap, of=WrappingPort.wrap, publishes=(GiftUnwrapped,)),
    ),
    migrations=Path(),
)
wrapping = Reactions(WRAPPING)


def wrap(events: OrderEvents) -> Command:
    events.first(OrderCreated)
    return Command(**events.request)


NEW = (
    wrapping.does(WrappingPort.wrap, wrap, after=(OrderCreated, StockReserved)),
    wrapping.undoes(WrappingPort.unwrap, because=PaymentFailed),
    wrapping.undoes(WrappingPort.unwrap, because=ShippingFailed),
    wrapping.undoes(WrappingPort.unwrap, because=FraudConfirmed),
    wrapping.undoes(WrappingPort.unwrap, because=ShipmentCancelled),
    inventory.undoes(InventoryPort.release, because=WrappingFailed),
    payments.undoes(PaymentsPort.refund, because=WrappingFailed),
    orders.undoes(OrdersPort.reject, because=WrappingFailed, after=(StockReleased, PaymentRefunded)),
)


def _with_wrapping(line: Line) -> Line:
    if line.step == "shipping.ship":
        return replace(line, after=(*line.after, GiftWrapped))
    if line.kind is Kind.UNDO and line.service.name == "orders" and "OutOfStock" not in line.types:
        return replace(line, after=(*line.after, GiftUnwrapped))
    return line


WRAPPED: Table = (*map(_with_wrapping, REACTIONS), *NEW)
TABLES = {"as it is": REACTIONS, "with a sixth service": WRAPPED}


def _without(table: Table, line: Line, *instead: Line) -> Table:
    at = table.index(line)
    return (*table[:at], *instead, *table[at + 1 :])


def _lines() -> Iterator[Any]:
    for name, table in TABLES.items():
        for line in table:
            yield pytest.param(table, line, id=f"{name}-{line.id}")


def _events() -> Iterator[Any]:
    for name, table in TABLES.items():
        for line in table:
            for event in line.after:
                yield pytest.param(table, line, event, id=f"{name}-{line.id}-{event.type()}")


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_whole_table_lacks_nothing(table: Table) -> None:
    assert gaps(table) == []


@pytest.mark.parametrize(("table", "line"), list(_lines()))
def test_a_missing_line_is_named(table: Table, line: Line) -> None:
    """By what should be done, or by the event that nobody would hear."""
    named = (line.step,) if line.kind is Kind.UNDO else (line.step, *line.types)
    assert any(name in gap for gap in gaps(_without(table, line)) for name in named)


@pytest.mark.parametrize(("table", "line", "event"), list(_events()))
def test_a_missing_event_is_named(table: Table, line: Line, event: type[Event]) -> None:
    others = tuple(one for one in line.after if one is not event)
    found = gaps(_without(table, line, replace(line, after=others)))
    assert any(event.type() in gap for gap in found)


def test_the_text_says_what_is_missing_in_words() -> None:
    assert gaps([line for line in REACTIONS if line.id != "inventory_release_after_PaymentFailed"]) == [
        "inventory.reserve may have been done before PaymentFailed, after which no line does inventory.release; "
        "and it does not wait for PaymentProcessed",
    ]
    assert gaps([line for line in REACTIONS if line.step != "orders.complete"]) == [
        "no line waits for Shipped, which shipping.ship publishes"
    ]
    assert ("shipping.ship waits for PaymentProcessed, which nobody publishes: no line does payments.charge") in gaps(
        [line for line in REACTIONS if line.step != "payments.charge"]
    )


def test_a_line_that_stands_twice_is_found() -> None:
    assert gaps((*REACTIONS, REACTIONS[0])) == ["orders.create stands twice after OrderPlaced"]


def test_two_steps_of_a_service_for_the_same_event_are_found() -> None:
    second = inventory.does(InventoryPort.reserve, commands.reserve, after=(OrderCreated, Shipped))
    assert "inventory.reserve and inventory.reserve both wait for OrderCreated, and only one would be done" in gaps(
        (*REACTIONS, second)
    )


def test_what_not_every_order_has_is_nothing_to_wait_for() -> None:
    conditional = [
        replace(line, when=lambda _: True) if line.step == "inventory.reserve" else line for line in REACTIONS
    ]
    assert gaps(conditional) == ["payments.charge waits for StockReserved, but not every order has inventory.reserve"]


def test_an_incomplete_table_starts_nothing() -> None:
    with pytest.raises(IncompleteTable, match="no line waits for Shipped"):
        check([line for line in REACTIONS if line.step != "orders.complete"])
