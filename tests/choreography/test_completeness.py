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
from choreography.reactions import REACTIONS, inventory
from kernel.contracts import Command, Contract, Event, FailureEvent, Undo, Undone, UndoneEvent
from kernel.service import Kind, Service, step, undo
from services.inventory.contracts import InventoryPort
from services.inventory.events import StockReserved
from services.orders.events import OrderCreated
from services.shipping.events import Shipped, ShippingFailed

Line = Reaction[Any, Any]

# One more service, whichever there are, with its lines and what it changes of the others'.


class Engraved(Event):
    pass


class EngravingFailed(FailureEvent):
    pass


class EngravingRemoved(UndoneEvent):
    pass


class EngravingDone(Contract):
    pass


class EngravingPort(Protocol):
    def engrave(self, command: Command) -> EngravingDone: ...
    def remove(self, command: Undo) -> Undone: ...


def _open(*_given: object) -> NoReturn:
    raise AssertionError("only its lines are looked at")


ENGRAVING: Service[EngravingPort] = Service(
    name="engraving",
    port=EngravingPort,
    open=_open,
    books=_open,
    operations=(
        step(EngravingPort.engrave, publishes=(Engraved,), refused=EngravingFailed),
        undo(EngravingPort.remove, of=EngravingPort.engrave, publishes=(EngravingRemoved,)),
    ),
    migrations=Path(),
)
engraving = Reactions(ENGRAVING)


def engrave(events: OrderEvents) -> Command:
    events.first(OrderCreated)
    return Command(**events.request)


def _for_the_same_reason(line: Line) -> Line:
    """What this line undoes when shipping fails, it undoes when engraving fails."""
    return replace(line, by=commands.undo(EngravingFailed), after=(EngravingFailed, *line.after[1:]))


NEW: Table = (
    engraving.does(EngravingPort.engrave, engrave, after=(OrderCreated, StockReserved)),
    *(
        engraving.undoes(EngravingPort.remove, because=line.because)
        for line in REACTIONS
        if line.step == "inventory.release" and line.because
    ),
    *(_for_the_same_reason(line) for line in REACTIONS if line.because is ShippingFailed),
)


def _with_engraving(line: Line) -> Line:
    if line.step == "shipping.ship":
        return replace(line, after=(*line.after, Engraved))
    if line.kind is Kind.UNDO and line.service.name == "orders" and "OutOfStock" not in line.types:
        return replace(line, after=(*line.after, EngravingRemoved))
    return line


ENGRAVED: Table = (*map(_with_engraving, REACTIONS), *NEW)
TABLES = {"as it is": REACTIONS, "with one service more": ENGRAVED}


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
    """By what should be done, or by the event that nobody would consume."""
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
    assert gaps((*REACTIONS, REACTIONS[0])) == ["orders.create is listed twice after OrderPlaced"]


def test_two_steps_of_a_service_for_the_same_event_are_found() -> None:
    second = inventory.does(InventoryPort.reserve, commands.reserve, after=(OrderCreated, Shipped))
    assert "inventory.reserve and inventory.reserve both wait for OrderCreated, and only one would be done" in gaps(
        (*REACTIONS, second)
    )


def test_what_not_every_order_has_is_nothing_to_wait_for() -> None:
    conditional = [
        replace(line, when=lambda _: True) if line.step == "inventory.reserve" else line for line in REACTIONS
    ]
    steps = [line.step for line in REACTIONS if StockReserved in line.after]
    assert "payments.charge" in steps
    assert gaps(conditional) == [
        f"{step} waits for StockReserved, but not every order has inventory.reserve" for step in steps
    ]


def test_an_incomplete_table_starts_nothing() -> None:
    with pytest.raises(IncompleteTable, match="no line waits for Shipped"):
        check([line for line in REACTIONS if line.step != "orders.complete"])
