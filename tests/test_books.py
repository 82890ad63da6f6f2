"""What the services' books say when one thing on record is not as it was: contents, not only presence.

No workflow and no bus is needed for it; what the command `audit` makes of it is in tests/cli/test_audit.py.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from audit.books import read
from audit.invariants import audit
from client.order import Order, OrderLine
from kernel.books import Books, Finding
from kernel.contracts import Policy, Undo
from kernel.errors import Outage, Refusal, SettingsError
from kernel.keys import Key
from kernel.money import Money
from kernel.service import Site
from services import SERVICES
from services.fraud.declaration import FRAUD
from services.inventory.declaration import INVENTORY
from services.orders.contracts import FlagOrder, OrderStatus
from services.orders.declaration import ORDERS
from services.payments import declaration as of_payments
from services.payments.contracts import CardDeclined, ChargeRecord, PaymentGateway
from services.payments.declaration import GATEWAY, PAYMENTS
from services.shipping.declaration import SHIPPING
from settings import Settings
from tests.shop import sample_order, undeliverable
from wiring.services import Services
from workflows import commands
from workflows.contracts import OrderInput, PlaceOrder

OPERATIONS, EVENTS = "records agree with operations", "records agree with events"
PROCESSOR = "payments agree with the processor"
PRICES, COURIER = "an order costs what its lines do", "shipments agree with the courier"
STOCK = "stock adds up"


def sell(settings: Settings, *orders: Order) -> None:
    """Run the orders through the services, as a saga does; those that are refused are undone."""
    with closing(Services(settings)) as shop:
        for service in SERVICES:
            shop.open(service)
        for order in orders:
            _sell(shop, order)


def _sell(shop: Services, order: Order) -> None:
    def undo(step: str) -> Undo:
        return Undo(key=f"{order.order_id}:{step}", order_id=order.order_id, reason="the order failed")

    given = OrderInput.of(order)
    total = shop.open(ORDERS).create(commands.create(PlaceOrder(order=given))).total
    if order.order_id == "under-way":
        return
    try:
        shop.open(FRAUD).screen(commands.screen(given, total))
        shop.open(INVENTORY).reserve(commands.reserve(given))
        shop.open(PAYMENTS).charge(commands.charge(given, total))
        shop.open(SHIPPING).ship(commands.ship(given))
    except Refusal:
        shop.open(SHIPPING).cancel(undo("ship"))
        shop.open(PAYMENTS).refund(undo("charge"))
        shop.open(INVENTORY).release(undo("reserve"))
        shop.open(ORDERS).reject(undo("create"))
    else:
        shop.open(ORDERS).complete(commands.complete(given))


THREE = ("good", "bad", "under-way")  # completed, rejected after its charge, in progress


def three_orders() -> list[Order]:
    return [sample_order(order_id=name, **(undeliverable() if name == "bad" else {})) for name in THREE]


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sold")
    sell(Settings(data_dir=folder), *three_orders())
    return folder


@pytest.fixture
def settings(sold: Path, tmp_path: Path) -> Settings:
    """A shop of three orders, of the test's own."""
    return Settings(data_dir=shutil.copytree(sold, tmp_path / "shop"))


def tamper(settings: Settings, changes: str) -> None:
    """`changes` are lines of SQL, each after the name of its database."""
    for line in changes.strip().splitlines():
        database, _, statement = line.strip().partition(": ")
        with closing(sqlite3.connect(settings.data_dir / f"{database}.db")) as connection:
            assert connection.execute(statement).rowcount > 0, statement
            connection.commit()


def found(settings: Settings) -> set[tuple[str, str]]:
    return {(one.order_id, one.invariant) for one in audit(settings).violations}


def test_books_that_are_right_have_nothing_against_them(settings: Settings) -> None:
    report = audit(settings)
    assert report.violations == []
    assert report.by_status == {"completed": 1, "in-progress": 1, "rejected": 1}
    books = read(settings).orders
    assert {name: books[name].status for name in THREE} == {
        "good": OrderStatus.COMPLETED,
        "bad": OrderStatus.REJECTED,
        "under-way": OrderStatus.IN_PROGRESS,
    }
    assert books["bad"].charged == books["bad"].refunded > 0


@pytest.mark.parametrize(
    ("changes", "violations"),
    [
        pytest.param(
            """orders: UPDATE orders SET total = 1 WHERE order_id = 'good'
            payments: UPDATE payments SET amount = 1 WHERE order_id = 'good'
            gateway: UPDATE ledger SET amount = 1 WHERE key = 'good:charge'""",
            {("good", PRICES), ("good", EVENTS)},
            id="sold for a cent, in every book",
        ),
        pytest.param(
            "orders: UPDATE order_lines SET unit_price = 1 WHERE order_id = 'under-way' AND sku = 'mug'",
            {("under-way", PRICES), ("under-way", EVENTS)},
            id="a price of an order in progress",
        ),
        pytest.param(
            "orders: UPDATE orders SET status = 'in-progress' WHERE order_id = 'good'",
            {("good", OPERATIONS)},
            id="completed, turned to in progress",
        ),
        pytest.param(
            "orders: UPDATE orders SET status = 'rejected' WHERE order_id = 'under-way'",
            {("under-way", OPERATIONS), ("under-way", EVENTS)},
            id="in progress, turned to rejected",
        ),
        pytest.param(
            """orders: DELETE FROM orders WHERE order_id = 'bad'
            orders: DELETE FROM order_lines WHERE order_id = 'bad'""",
            {("bad", OPERATIONS)},
            id="a rejected order deleted",
        ),
        pytest.param(
            """orders: UPDATE orders SET problem = 'a doubt' WHERE order_id = 'good'
            payments: DELETE FROM payments WHERE order_id = 'good'""",
            {("good", OPERATIONS), ("good", EVENTS)},
            id="a payment of an order that needs attention deleted",
        ),
        pytest.param(
            """shipping: UPDATE shipments SET status = 'cancelled' WHERE order_id = 'good'
            courier: UPDATE parcels SET status = 'cancelled' WHERE key = 'good:ship'""",
            {("good", "completed: shipped once"), ("good", OPERATIONS)},
            id="a shipment cancelled in both books",
        ),
        pytest.param(
            "fraud: DELETE FROM screenings WHERE order_id = 'bad'",
            {("bad", OPERATIONS)},
            id="a rejected order's screening deleted",
        ),
        pytest.param(
            "payments: DELETE FROM payments WHERE order_id = 'bad'",
            {("bad", OPERATIONS)},
            id="a refunded payment deleted",
        ),
        pytest.param(
            "payments: UPDATE payments SET charge_id = 'ch_other' WHERE order_id = 'good'",
            {("good", PROCESSOR), ("good", EVENTS)},
            id="a payment under another charge's id",
        ),
        pytest.param(
            """payments: UPDATE payments SET currency = 'USD' WHERE order_id = 'bad'
            gateway: UPDATE ledger SET refunded = refunded + 1 WHERE key = 'bad:charge'""",
            {("bad", PROCESSOR), ("bad", "rejected: no money kept"), ("bad", EVENTS)},
            id="more given back than was charged",
        ),
        pytest.param(
            "inventory: UPDATE reservations SET order_id = 'bad' WHERE order_id = 'good'",
            {
                ("good", "completed: stock taken once"),
                ("good", OPERATIONS),
                ("bad", "rejected: no stock held"),
                ("bad", OPERATIONS),
            },
            id="stock moved to another order",
        ),
        pytest.param("inventory: DELETE FROM stock WHERE sku = 'mug'", {("", STOCK)}, id="a product without stock"),
        pytest.param(
            "shipping: UPDATE shipments SET tracking_number = 'TRK0' WHERE order_id = 'good'",
            {("good", COURIER), ("good", EVENTS)},
            id="another parcel's number",
        ),
        pytest.param(
            "courier: UPDATE parcels SET destination = replace(destination, 'Berlin', 'Bonn') WHERE key = 'good:ship'",
            {("good", "completed: shipped to the order's address")},
            id="a parcel to another address",
        ),
    ],
)
def test_what_is_not_as_it_was_is_seen(settings: Settings, changes: str, violations: set[tuple[str, str]]) -> None:
    tamper(settings, changes)
    assert found(settings) == violations


def test_a_parcel_that_goes_elsewhere_is_reported_without_an_address(settings: Settings) -> None:
    tamper(settings, "courier: UPDATE parcels SET destination = replace(destination, 'Berlin', 'Bonn')")
    (violation,) = audit(settings).violations
    assert violation.detail.startswith("TRK")
    assert "Bonn" not in violation.detail
    assert "Berlin" not in violation.detail


@pytest.mark.parametrize("note", ["payments.refund: it is down – repaid by bank transfer", "repaid by bank transfer"])
def test_what_was_settled_by_hand_is_left_out_and_said_to_be(settings: Settings, note: str) -> None:
    _flag(settings, settled=note)
    assert audit(settings).not_judged == []  # all of it adds up
    tamper(settings, "gateway: UPDATE ledger SET refunded = refunded - 1 WHERE key = 'bad:charge'")
    report = audit(settings)
    assert report.violations == []
    assert report.settled_by_hand == {"bad": note}
    assert {one.order_id for one in report.not_judged} == {"bad"}
    assert all(note in one.why for one in report.not_judged)


def test_what_was_settled_of_one_service_excuses_no_other(settings: Settings) -> None:
    _flag(settings, settled="shipping.cancel: it is down – called the courier")
    tamper(settings, "gateway: UPDATE ledger SET refunded = refunded - 1 WHERE key = 'bad:charge'")
    assert found(settings) == {("bad", "rejected: no money kept"), ("bad", PROCESSOR)}


def test_an_order_that_needs_attention_is_excused_for_what_is_stuck_only(settings: Settings) -> None:
    _flag(settings, problem="payments.refund: it is down")
    tamper(settings, "gateway: UPDATE ledger SET refunded = refunded - 1 WHERE key = 'bad:charge'")
    report = audit(settings)
    assert report.violations == []
    assert {one.order_id for one in report.not_judged} == {"bad"}
    tamper(settings, "courier: UPDATE parcels SET key = 'bad:ship2', status = 'booked' WHERE key = 'good:ship'")
    assert ("bad", "rejected: nothing shipped") in found(settings)


HELD = (OrderLine(sku="espresso-machine", quantity=1),)
OLD = "orders: UPDATE orders SET placed_at = placed_at - 360000000 WHERE order_id IN ('held', 'under-way')"


def _hold(settings: Settings, policy: Policy) -> None:
    with closing(Services(settings)) as shop:
        place = PlaceOrder(order=OrderInput.of(sample_order(order_id="held", lines=HELD)), policy=policy)
        total = shop.open(ORDERS).create(commands.create(place)).total
        shop.open(FRAUD).screen(commands.screen(place.order, total))


@pytest.mark.parametrize(
    ("policy", "late"),
    [(Policy(review_deadline=10 * 86_400), {"under-way"}), (Policy(review_deadline=60), {"held", "under-way"})],
    ids=["patient", "impatient"],
)
def test_an_order_is_judged_by_its_own_deadlines(settings: Settings, policy: Policy, late: set[str]) -> None:
    _hold(settings, policy)
    tamper(settings, OLD)
    report = audit(settings)
    assert {(one.order_id, one.invariant) for one in report.violations} == {(name, "every order ends") for name in late}
    assert report.not_judged == []


def test_an_order_held_since_release_0_1_is_left_out_and_said_to_be(settings: Settings) -> None:
    """Its policy is in its workflow only; the audit's own says nothing of it."""
    _hold(settings, Policy())
    tamper(settings, f"{OLD}\norders: UPDATE orders SET policy = NULL")
    report = audit(settings)
    assert [(one.order_id, one.invariant) for one in report.violations] == [("under-way", "every order ends")]
    assert [one.order_id for one in report.not_judged] == ["held"]


def test_an_order_that_an_operator_took_up_again_has_its_time_from_the_start(settings: Settings) -> None:
    tamper(settings, "orders: UPDATE orders SET placed_at = placed_at - 360000000 WHERE order_id = 'under-way'")
    _flag(settings, "under-way", problem="payments.charge: it is down")
    _flag(settings, "under-way")
    assert found(settings) == set()


def _flag(settings: Settings, order_id: str = "bad", *, problem: str = "", settled: str = "") -> None:
    key = f"{order_id}:flag"
    with closing(Services(settings)) as shop:
        shop.open(ORDERS).flag(FlagOrder(key=key, order_id=order_id, problem=problem, settled=settled))


# What cannot be read


@pytest.mark.parametrize("database", ["orders", "inventory", "gateway", "courier"])
def test_a_database_that_is_not_there_is_named_and_not_made(settings: Settings, database: str) -> None:
    file = settings.data_dir / f"{database}.db"
    file.unlink()
    with pytest.raises(SettingsError, match=f"the database of {database} cannot be read: .*; start a worker first"):
        audit(settings)
    assert not file.exists()


def test_the_audit_makes_no_tables_where_there_are_none(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.data_dir / "gateway.db")) as ledger:
        ledger.execute("DROP TABLE ledger")
        with pytest.raises(SettingsError, match="no such table: ledger"):
            audit(settings)
        assert ledger.execute("SELECT name FROM sqlite_master").fetchall() == []


# Another provider, another service


class OtherGateway:
    """A processor with records of its own, as a real one has: no database of ours."""

    def __init__(self) -> None:
        self.records: dict[str, ChargeRecord] = {}
        self.is_down = False

    def charge(self, key: str, amount: Money, payment_token: str) -> str:
        if payment_token != "tok_visa":
            raise CardDeclined(payment_token)
        charge = ChargeRecord(key=key, charge_id=f"ch-{key}", amount=amount, refunded=0)
        return self.records.setdefault(key, charge).charge_id

    def reverse(self, key: str) -> None:
        if key in self.records:
            charge = self.records[key]
            self.records[key] = charge.model_copy(update={"refunded": charge.amount.amount})

    def charges(self, orders: Sequence[str] | None = None) -> Iterator[ChargeRecord]:
        if self.is_down:
            raise Outage("the processor is closed")
        for charge in self.records.values():
            if orders is None or Key.parse(charge.key).order_id in orders:
                yield charge


@pytest.fixture
def other_gateway(monkeypatch: pytest.MonkeyPatch) -> OtherGateway:
    gateway = OtherGateway()

    def open_other(_site: Site) -> PaymentGateway:
        return gateway

    monkeypatch.setattr(of_payments, "GATEWAY", replace(GATEWAY, open=open_other))
    return gateway


@pytest.fixture
def other_settings(other_gateway: OtherGateway, tmp_path: Path) -> Settings:
    """The shop of three orders, with the other gateway from the first day."""
    settings = Settings(data_dir=tmp_path / "other")
    sell(settings, *three_orders())
    return settings


def test_another_processor_is_asked_for_its_own_statement(
    other_gateway: OtherGateway, other_settings: Settings
) -> None:
    assert found(other_settings) == set()
    assert not (other_settings.data_dir / "gateway.db").exists()
    charge = other_gateway.records["good:charge"]
    assert read(other_settings).orders["good"].charges == [(charge.amount.amount, "EUR")]

    other_gateway.records["good:again"] = charge.model_copy(update={"key": "good:again", "charge_id": "ch-2"})
    assert found(other_settings) == {("good", "completed: charged once in full"), ("good", PROCESSOR)}


def test_a_charge_that_nobody_ordered_is_seen(other_gateway: OtherGateway, other_settings: Settings) -> None:
    other_gateway.charge("nobody:charge", Money(amount=1, currency="EUR"), "tok_visa")
    assert found(other_settings) == {("nobody", "without an order: no money kept"), ("nobody", PROCESSOR)}


def test_a_processor_that_does_not_answer_is_said_to_be_so(
    other_gateway: OtherGateway, other_settings: Settings
) -> None:
    other_gateway.is_down = True
    with pytest.raises(SettingsError, match="the books of payments cannot be read: the processor is closed"):
        audit(other_settings)


@dataclass(frozen=True)
class Paper(Books):
    """The books of a sixth service: the parcels that have paper on."""

    wrapped: frozenset[str]

    def orders(self, since: int = 0) -> Iterable[str]:
        return self.wrapped

    def kept(self, order_id: str) -> Iterator[Finding]:
        if order_id in self.wrapped:
            yield Finding("nothing wrapped", "the paper is still on")


def _with_books(monkeypatch: pytest.MonkeyPatch, books: Callable[[Site, Sequence[str]], Books]) -> None:
    """A sixth service, with these; they are read right after those of the orders."""
    sixth = replace(SHIPPING, name="lottery", books=books)
    monkeypatch.setattr("audit.books.SERVICES", (sixth, *SERVICES))


def test_a_sixth_services_books_are_asked_as_well(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_books(monkeypatch, lambda _site, _orders: Paper(frozenset({"good", "bad", "nobody"})))
    assert found(settings) == {
        ("bad", "rejected: nothing wrapped"),
        ("nobody", "without an order: nothing wrapped"),
    }


def test_an_order_that_is_placed_while_books_are_read_is_left_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sell_and_read(_site: Site, orders: Sequence[str]) -> Books:
        if orders:
            sell(settings, sample_order(order_id="meanwhile"))
        return Paper(frozenset({"meanwhile", "nobody"}))

    _with_books(monkeypatch, sell_and_read)
    assert found(settings) == {("nobody", "without an order: nothing wrapped")}


def test_a_large_shop_needs_no_more_memory_than_a_small_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its books are opened for some orders at a time, each order once."""
    opened: list[list[str]] = []

    def note(_site: Site, orders: Sequence[str]) -> Books:
        opened.append(list(orders))
        return Paper(frozenset({"bad", "nobody"}))

    monkeypatch.setattr("audit.books._AT_ONCE", 2)
    _with_books(monkeypatch, note)
    sell(settings, *(sample_order() for _ in range(5)))
    report = audit(settings)
    assert max(map(len, opened)) == 2
    assert sorted(order_id for some in opened for order_id in some) == sorted({one for some in opened for one in some})
    assert report.orders == 8
    assert {(one.order_id, one.invariant) for one in report.violations} == {
        ("bad", "rejected: nothing wrapped"),
        ("nobody", "without an order: nothing wrapped"),
    }
