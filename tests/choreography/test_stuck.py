"""Every line of the table that must be done, stuck in turn: it names itself, and the order ends as what it was.

All of them side by side in one shop, each twice: settled by hand, and tried again once the service is back.
"""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from audit.invariants import audit
from choreography.events import CancelRequested, OrderStalled
from choreography.reaction import Reaction, lines_of, that_failed
from choreography.reactions import ALL_UNDONE, REACTIONS, UNDONE
from cli.archive import behind
from client.contracts import OrderState, Resolution, ResolveBy
from client.order import Order, OrderLine
from kernel.contracts import Event, Style
from kernel.database import Database
from kernel.envelope import CloudEvent, new_event
from kernel.errors import CannotUndo
from kernel.inbox import Known
from kernel.service import Kind
from lab.settings import LabSettings
from messaging.failure import FailureState
from services.fraud.events import FraudConfirmed, PossibleFraud
from services.inventory.events import OutOfStock
from services.orders.contracts import OrderStatus
from services.orders.events import END_OF_TYPE
from services.orders.tables import orders as orders_table
from services.payments.events import PaymentFailed, PaymentProcessed
from services.shipping.contracts import ShippingPort
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed
from tests.choreographed import ChoreographedShop, open_shop
from tests.choreography.conftest import PATIENT
from tests.shop import sample_order, step_is, undeliverable
from tests.subscribers.mailbox import subjects
from wiring.clients import Clients
from wiring.listening import all_subscriptions

Line = Reaction[Any, Any]

LINES = {line.id: line for line in REACTIONS if line.must_be_done}
BY_HAND, AGAIN = "by-hand", "again"
WAYS = {
    BY_HAND: Resolution(decision=ResolveBy.RESOLVED, note="done by phone"),
    AGAIN: Resolution(decision=ResolveBy.RETRY),
}
PARCEL = WAYS[BY_HAND].model_copy(update={"decision": ResolveBy.RETURNED})


def _decision(line_id: str, way: str) -> Resolution:
    """Of a shipment, an operator says where the parcel is."""
    is_parcel = LINES[line_id].operation.undoes is ShippingPort.ship
    return PARCEL if way == BY_HAND and is_parcel else WAYS[way]


CASES = [(line_id, way) for line_id in LINES for way in WAYS]

# What is to be said of an order for each first event of a line to come.
ORDERS: dict[type[Event], dict[str, Any]] = {
    OutOfStock: {"lines": (OrderLine(sku="sold-out-scale", quantity=1),)},
    PaymentFailed: {"payment_token": "tok_chargeDeclined"},
    ShippingFailed: undeliverable(),
    FraudConfirmed: {"lines": (OrderLine(sku="roaster", quantity=1),)},
    Shipped: {},
}
# Or what is to be published, once the order is paid; it is held for review, so that it stays before the pivot.
HELD: dict[str, Any] = {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}
CANCEL = CancelRequested(reason="changed my mind")
PUBLISHED: dict[type[Event], Event] = {
    CancelRequested: CANCEL,
    ShipmentCancelled: CANCEL,
    OrderStalled: OrderStalled(step="", reason="Outage: nothing happened"),
}
LETTERS = {
    OrderStatus.REJECTED: "We cannot fulfil your order {}",
    OrderStatus.CANCELLED: "Your order {} is cancelled",
    OrderStatus.COMPLETED: "Your parcel with order {} is booked",
}


def name_of(line_id: str, way: str) -> str:
    return f"{way}-{list(LINES).index(line_id)}"


FAULTS = ",".join(
    f"{LINES[line_id].step}=refuse{':*' if way == BY_HAND else ''}@{name_of(line_id, way)}-*" for line_id, way in CASES
)


@dataclass(frozen=True)
class Settled:
    """An order as it was when it was stuck, and as it ended."""

    order: Order
    stuck: OrderState
    failed: list[str]
    ended: OrderState
    ends: list[str]


@dataclass(frozen=True)
class Aftermath:
    settings: LabSettings
    settled: dict[tuple[str, str], Settled]
    listed: dict[OrderStatus, list[OrderState]]
    rows: dict[str, tuple[str, str]]
    outcomes: dict[str, str]
    letters: list[str]


@pytest.fixture(scope="module")
async def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    settings = LabSettings(data_dir=tmp_path_factory.mktemp("stuck"), policy=PATIENT, faults=FAULTS)
    async with open_shop(settings) as shop:
        settled = await asyncio.gather(*(_settled(shop, line_id, way) for line_id, way in CASES))
        await _until_all_is_handled(shop)
    clients = Clients(settings)
    try:
        listed = {
            status: [one.state for one in await clients.recent(Style.CHOREOGRAPHY, status, 1_000)]
            for status in OrderStatus
        }
    finally:
        await clients.close()
    return Aftermath(
        settings,
        dict(zip(CASES, settled, strict=True)),
        listed,
        _rows(settings),
        _outcomes(settings),
        subjects(settings.data_dir),
    )


async def _settled(shop: ChoreographedShop, line_id: str, way: str) -> Settled:
    cause = LINES[line_id].after[0]
    order = sample_order(name_of(line_id, way), **ORDERS.get(cause, HELD))
    await shop.client.place(order)
    if cause in PUBLISHED:
        while not {PaymentProcessed.type(), PossibleFraud.type()} <= {*await shop.types(order)}:
            await asyncio.sleep(0.05)
        await _publish(shop, order, PUBLISHED[cause])
    async with asyncio.timeout(60):
        while not _rows(shop.settings).get(order.order_id, ("", ""))[1]:
            await asyncio.sleep(0.1)
    stuck = (await shop.client.get(order.order_id)).state
    dead = shop.eventing.progress.failures(FailureState.RETRYING, FailureState.DEAD, correlation=order.order_id)
    await shop.client.resolve(order.order_id, _decision(line_id, way))
    ended = await shop.rest(order)
    return Settled(
        order,
        stuck,
        [one.reaction for one in dead],
        ended,
        [kind for kind in await shop.types(order) if kind in END_OF_TYPE],
    )


async def _publish(shop: ChoreographedShop, order: Order, event: Event) -> None:
    published = new_event(
        event.type(),
        event.model_dump(mode="json"),
        event_id=f"{order.order_id}:stopped",
        source="/customer",
        correlation=order.order_id,
        causation="/customer",
        style=Style.CHOREOGRAPHY,
    )
    await shop.eventing.bus.append([published])


async def _until_all_is_handled(shop: ChoreographedShop) -> None:
    async with asyncio.timeout(60):
        for consumer in (one.name for one in all_subscriptions(shop.eventing)):
            while await behind(shop.eventing.bus, shop.eventing.progress.positions(consumer)):
                await asyncio.sleep(0.1)


def _rows(settings: LabSettings) -> dict[str, tuple[str, str]]:
    """Status and problem of each order on record."""
    with closing(Database(settings.url_of("orders"), for_reading=True)) as database, database.begin() as tx:
        rows = tx.execute(select(orders_table.c.order_id, orders_table.c.status, orders_table.c.problem))
        return {order_id: (status, problem) for order_id, status, problem in rows}


def _outcomes(settings: LabSettings) -> dict[str, str]:
    """As analytics has them."""
    with closing(Database(settings.url_of("analytics"), for_reading=True)) as database, database.begin() as tx:
        rows = tx.execute(text("SELECT order_id, outcome FROM orders"))
        return {row.order_id: row.outcome for row in rows}


def end_of(line: Line) -> OrderStatus:
    if line.kind is Kind.FORWARD:
        return OrderStatus.COMPLETED
    is_cancelled = PUBLISHED.get(line.after[0]) is CANCEL
    return OrderStatus.CANCELLED if is_cancelled else OrderStatus.REJECTED


@pytest.mark.parametrize(("line_id", "way"), CASES)
def test_what_is_stuck_names_itself(aftermath: Aftermath, line_id: str, way: str) -> None:
    step, stuck = LINES[line_id].step, aftermath.settled[line_id, way].stuck
    refusal = next(iter(LINES[line_id].operation.refusals), CannotUndo).name
    assert stuck.status is OrderStatus.NEEDS_ATTENTION
    assert stuck.problems == (f"{step}: {refusal}: {step} refuses",)
    assert aftermath.settled[line_id, way].failed == [line_id]


@pytest.mark.parametrize(("line_id", "way"), CASES)
def test_the_order_ends_as_what_it_was_and_reads_so_everywhere(aftermath: Aftermath, line_id: str, way: str) -> None:
    settled, end = aftermath.settled[line_id, way], end_of(LINES[line_id])
    order_id = settled.order.order_id
    found = [status for status, listed in aftermath.listed.items() if order_id in {one.order_id for one in listed}]
    letters = {status: text.format(order_id) in aftermath.letters for status, text in LETTERS.items()}
    assert settled.ended.status is end
    assert aftermath.rows[order_id] == (end, "")
    assert found == [end]
    assert [END_OF_TYPE[kind] for kind in settled.ends] == [end]
    assert aftermath.outcomes[order_id] == end
    assert [status for status, written in letters.items() if written] == [end]


@pytest.mark.parametrize("line_id", LINES)
def test_an_end_by_hand_has_the_reason_that_the_service_would_have_given(aftermath: Aftermath, line_id: str) -> None:
    by_hand, again = (aftermath.settled[line_id, way] for way in WAYS)
    assert by_hand.ended.reason == again.ended.reason
    [on_list] = [
        one.reason for one in aftermath.listed[end_of(LINES[line_id])] if one.order_id == by_hand.order.order_id
    ]
    assert on_list == by_hand.ended.reason


def test_the_audit_lists_what_was_settled_by_hand_and_has_nothing_against_the_rest(aftermath: Aftermath) -> None:
    report = audit(aftermath.settings)
    notes = {aftermath.settled[line_id, BY_HAND].order.order_id: LINES[line_id].step for line_id in LINES}
    assert report.violations == []
    assert report.settled_by_hand.keys() == notes.keys()
    for order_id, step in notes.items():
        assert report.settled_by_hand[order_id].startswith(f"{step}: ")
        assert report.settled_by_hand[order_id].endswith(" – done by phone")


async def test_a_cancel_that_is_stuck_behind_a_slow_charge_is_a_cancel(tmp_path: Path) -> None:
    """Looked up by the first line that waits for the same event, it would be a rejection."""
    settings = LabSettings(
        data_dir=tmp_path,
        policy=PATIENT.model_copy(update={"undo_deadline": 2.0}),
        faults="orders.cancel=down:*,payments.charge=slow:1.5",
    )
    order = sample_order()
    async with open_shop(settings) as shop:
        await shop.client.place(order)
        await shop.until(order, step_is("inventory.reserve", "done"))
        await shop.client.cancel(order.order_id, "changed my mind")
        state = await shop.until(order, lambda state: any(map(_names_a_step, state.problems)))
        assert [problem.partition(":")[0] for problem in state.problems] == ["orders.cancel"]
        await shop.client.resolve(order.order_id, WAYS[BY_HAND])
        assert (await shop.rest(order)).status is OrderStatus.CANCELLED
    assert _rows(settings)[order.order_id] == (OrderStatus.CANCELLED, "")


async def test_two_that_are_stuck_and_both_tried_again_need_nobody_any_more(tmp_path: Path) -> None:
    settings = LabSettings(data_dir=tmp_path, policy=PATIENT, faults="payments.refund=refuse,inventory.release=refuse")
    order = sample_order(**undeliverable())
    async with open_shop(settings) as shop:
        await shop.client.place(order)
        await shop.until(order, lambda state: len(state.problems) == 2)
        await shop.client.resolve(order.order_id, WAYS[AGAIN])
        await shop.until(order, step_is("inventory.release", "undone"))
        assert (await shop.rest(order)).status is OrderStatus.REJECTED
    assert _rows(settings)[order.order_id] == (OrderStatus.REJECTED, "")


# Which line failed, when nothing says so: the inbox could not be read, or the dead letter is of release 0.1.


@pytest.mark.parametrize("last", [event.type() for event in ALL_UNDONE])
@pytest.mark.parametrize("stop", ["CancelRequested", "OrderStalled"])
def test_which_line_failed_is_worked_out_from_the_orders_events(stop: str, last: str) -> None:
    types = [stop, *(event.type() for event in ALL_UNDONE)]
    events = [Known(kind, {}) for kind in types if kind != last]
    line = that_failed(lines_of(REACTIONS, "orders"), "", _event(last), events)
    assert line is not None
    assert line.step == {"CancelRequested": "orders.cancel", "OrderStalled": "orders.reject"}[stop]
    assert line.after[0].type() == stop


def test_which_line_failed_is_what_the_dead_letter_says() -> None:
    rejected = f"orders_reject_after_FraudConfirmed_{'_'.join(event.type() for event in UNDONE)}"
    line = that_failed(REACTIONS, rejected, _event("PaymentRefunded"), [Known("CancelRequested", {})])
    assert line is not None
    assert line.id == rejected


def _event(kind: str) -> CloudEvent:
    return new_event(
        kind, {}, event_id="1", source="/test", correlation="order", causation="/test", style="choreography"
    )


def _names_a_step(problem: str) -> bool:
    return "." in problem.partition(":")[0]
