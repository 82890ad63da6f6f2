import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from kernel.errors import Outage, Refusal
from lab.faults import ALWAYS, OPERATIONS, BadSpec, Fault, Faults, parse
from services.inventory.contracts import NotEnoughStock
from services.inventory.service import Inventory
from services.orders.contracts import FlagOrder
from services.orders.service import Orders
from services.payments.contracts import PaymentDeclined
from tests.databases import Databases
from tests.services.samples import MUG, ORDER, OTHER_ORDER, PRICE, charge, reserve, stock_lines, undo
from tests.services.till import Till
from tests.services.together import answer_of, at_once

KINDS = ("down", "lost", "slow", "refuse", "kill-before", "kill-after")
PROJECT = Path(__file__).parents[2]

CHARGED = {ORDER: ("charged", PRICE, 0)}


def fault(operation: str, kind: str, count: int = 1, seconds: float = 0, orders: str = "*") -> Fault:
    return Fault(operation, kind, count, seconds, orders)


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        ("", ()),
        (" , ", ()),
        ("payments.charge=down", (fault("payments.charge", "down"),)),
        ("payments.charge=lost:3", (fault("payments.charge", "lost", 3),)),
        ("payments.charge=refuse:*", (fault("payments.charge", "refuse", ALWAYS),)),
        ("payments.charge=down@demo-*", (fault("payments.charge", "down", orders="demo-*"),)),
        ("payments.charge=down:2@order-1", (fault("payments.charge", "down", 2, orders="order-1"),)),
        ("payments.charge=down:*@order-[12]", (fault("payments.charge", "down", ALWAYS, orders="order-[12]"),)),
        ("shipping.ship=slow", (fault("shipping.ship", "slow", ALWAYS, 1),)),
        ("shipping.ship=slow:0.25", (fault("shipping.ship", "slow", ALWAYS, 0.25),)),
        ("shipping.ship=kill-before", (fault("shipping.ship", "kill-before"),)),
        ("courier.book=kill-after@order-1", (fault("courier.book", "kill-after", orders="order-1"),)),
        (
            " gateway.charge=lost, fraud.screen=down:2 ,",
            (fault("gateway.charge", "lost"), fault("fraud.screen", "down", 2)),
        ),
    ],
)
def test_a_spec_is_read(spec: str, faults: tuple[Fault, ...]) -> None:
    assert parse(spec) == faults


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_can_have_every_fault(operation: str) -> None:
    faults = parse(",".join(f"{operation}={kind}" for kind in KINDS))
    assert [(each.operation, each.kind) for each in faults] == [(operation, kind) for kind in KINDS]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("payments.charge", "'payments.charge' is not service.operation=kind"),
        ("payments.charge=", "is not service.operation=kind"),
        ("=down", "is not service.operation=kind"),
        ("payments.charge=down:", "is not service.operation=kind"),
        ("payments.charge=down@", "is not service.operation=kind"),
        ("payments=down", "'payments' is no operation; there are: orders.create, "),
        ("payments.steal=down", "'payments.steal' is no operation"),
        ("payments.charge=explode", "'explode' is no kind of fault; there are: .*kill-after"),
        ("payments.charge=down:0", "'0' in .* is not a whole number of calls from 1"),
        ("payments.charge=down:-1", "'-1' in .* is not a whole number of calls from 1"),
        ("payments.charge=down:-2", "'-2' in .* is not a whole number of calls from 1"),
        ("payments.charge=down:1.5", "'1.5' in .* is not a whole number of calls from 1"),
        ("payments.charge=down:many", "'many' in .* is not a whole number of calls from 1"),
        ("payments.charge=slow:long", "'long' in .* is not seconds"),
        ("payments.charge=slow:0", "'0' in .* is not seconds"),
        ("payments.charge=slow:-1", "'-1' in .* is not seconds"),
        ("payments.charge=slow:inf", "'inf' in .* is not seconds"),
        ("payments.charge=slow:nan", "'nan' in .* is not seconds"),
        ("payments.charge=slow:*", "is not seconds"),
        ("payments.charge=kill-after:2", "kill-after takes no count"),
        ("payments.charge=kill-before:*", "kill-before takes no count"),
        ("payments.charge=down,nonsense", "'nonsense' is not"),
    ],
)
def test_a_spec_that_cannot_be_read_says_which_part_and_what_would_do(spec: str, why: str) -> None:
    with pytest.raises(BadSpec, match=why):
        parse(spec)


def test_without_a_spec_there_is_nothing_at_the_boundary() -> None:
    service = object()
    assert Faults(parse(""), pytest.fail).wrap("payments", service) is service


def test_a_service_without_faults_of_its_own_has_nothing_at_its_boundary(databases: Databases) -> None:
    service = object()
    faults = Faults(parse("payments.charge=down"), lambda: databases.open("faults"))
    assert faults.wrap("inventory", service) is service


def test_down_fails_before_the_effect(databases: Databases) -> None:
    till = Till(databases, "payments.charge=down")
    with pytest.raises(Outage, match=r"payments\.charge is down"):
        till.payments.charge(charge())
    assert till.ledger() == {}
    till.payments.charge(charge())
    assert till.ledger() == CHARGED


def test_lost_takes_effect_and_does_not_say_so(databases: Databases) -> None:
    till = Till(databases, "payments.charge=lost")
    with pytest.raises(Outage, match=r"the reply of payments\.charge was lost"):
        till.payments.charge(charge())
    assert till.ledger() == CHARGED
    till.payments.charge(charge())
    assert till.ledger() == CHARGED


def test_a_refusal_is_not_lost(databases: Databases) -> None:
    till = Till(databases, "payments.charge=lost")
    with pytest.raises(PaymentDeclined):
        till.payments.charge(charge(card="tok_monopoly"))


def test_several_faults_of_one_operation_come_one_after_the_other(databases: Databases) -> None:
    till = Till(databases, "payments.charge=lost,payments.charge=down:2")
    for why in ("is down", "is down", "was lost"):
        with pytest.raises(Outage, match=why):
            till.payments.charge(charge())
    till.payments.charge(charge())
    assert till.ledger() == CHARGED


def test_orders_at_the_same_moment_are_counted_apart(databases: Databases) -> None:
    till = Till(databases, "payments.charge=down")
    orders = [f"order-{number}" for number in range(4)]
    assert all(
        isinstance(answer, Outage)
        for answer in at_once(*[partial(till.payments.charge, charge(order)) for order in orders])
    )
    assert till.ledger() == {}


def test_refuse_refuses_in_the_services_own_words(databases: Databases) -> None:
    till = Till(databases, "payments.charge=refuse:*")
    for _ in range(2):
        with pytest.raises(PaymentDeclined, match=r"payments\.charge refuses"):
            till.payments.charge(charge())
    assert till.ledger() == {}


def test_a_company_that_refuses_becomes_the_services_refusal(databases: Databases) -> None:
    till = Till(databases, "gateway.charge=refuse")
    for _ in range(2):
        with pytest.raises(PaymentDeclined, match="the card was declined"):
            till.payments.charge(charge())
    assert till.ledger() == {}


@pytest.mark.parametrize(
    "operation", [name for name in OPERATIONS if name.partition(".")[0] not in ("gateway", "courier")]
)
def test_each_service_refuses_with_a_refusal_that_is_known_by_its_name(operation: str) -> None:
    refusal = OPERATIONS[operation]("no")
    assert isinstance(refusal, Refusal)
    assert type(Refusal.named(refusal.name, "no")) is type(refusal)


def test_slow_waits_and_then_goes_on(databases: Databases) -> None:
    till = Till(databases, "payments.charge=slow:0.1")
    for _ in range(2):
        before = monotonic()
        till.payments.charge(charge())
        assert monotonic() - before >= 0.1
    assert till.ledger() == CHARGED


def test_a_fault_hits_each_order_as_often_as_it_says(databases: Databases) -> None:
    till = Till(databases, "payments.charge=down:2")
    for order in (ORDER, OTHER_ORDER):
        for _ in range(2):
            with pytest.raises(Outage):
                till.payments.charge(charge(order))
        till.payments.charge(charge(order))
    assert till.ledger().keys() == {ORDER, OTHER_ORDER}


def test_a_permanent_fault_never_ends(databases: Databases) -> None:
    till = Till(databases, "payments.charge=down:*")
    for _ in range(10):
        with pytest.raises(Outage):
            till.payments.charge(charge())


def test_a_fault_for_some_orders_spares_the_others(databases: Databases) -> None:
    till = Till(databases, "payments.charge=down:*@demo-*")
    till.payments.charge(charge(ORDER))
    with pytest.raises(Outage):
        till.payments.charge(charge("demo-1"))
    assert till.ledger() == CHARGED


def test_a_pattern_minds_capitals(databases: Databases) -> None:
    till = Till(databases, "payments.charge=down:*@DEMO-*")
    till.payments.charge(charge("demo-1"))
    assert till.ledger().keys() == {"demo-1"}


def test_a_fault_of_one_operation_spares_the_others(databases: Databases) -> None:
    till = Till(databases, "payments.refund=down:*")
    till.payments.charge(charge())
    with pytest.raises(Outage):
        till.payments.refund(undo("charge"))
    assert till.ledger() == CHARGED


def test_a_company_is_counted_by_the_order_in_its_key(databases: Databases) -> None:
    till = Till(databases, "gateway.charge=down@order-2")
    till.payments.charge(charge(ORDER))
    with pytest.raises(Outage):
        till.payments.charge(charge(OTHER_ORDER))
    till.payments.charge(charge(OTHER_ORDER))
    assert till.ledger().keys() == {ORDER, OTHER_ORDER}


def test_a_restart_does_not_forget_how_often_a_fault_has_hit(databases: Databases) -> None:
    for _ in range(2):
        with pytest.raises(Outage):
            Till(databases, "payments.charge=down:2").payments.charge(charge())
    Till(databases, "payments.charge=down:2").payments.charge(charge())
    assert Till(databases).ledger() == CHARGED


def test_faults_of_several_services_are_counted_apart(databases: Databases) -> None:
    faults = Faults(parse("inventory.reserve=refuse,orders.flag=lost"), lambda: databases.open("faults"))
    inventory, orders = Inventory(databases.migrated("inventory")), Orders(databases.migrated("orders"))
    inventory.stock(stock_lines({MUG: 1}))
    with pytest.raises(NotEnoughStock, match=r"inventory\.reserve refuses"):
        faults.wrap("inventory", inventory).reserve(reserve({MUG: 1}))
    flag = FlagOrder(key=f"{ORDER}:flag", order_id=ORDER, problem="none")
    assert isinstance(answer_of(lambda: faults.wrap("orders", orders).flag(flag)), Outage)
    assert inventory.on_hand() == {MUG: 1}


def charge_in_a_process_of_its_own(databases: Databases, spec: str) -> int:
    """Its exit code; minus the signal's number when it was killed."""
    urls = {name: databases.url(name) for name in ("payments", "gateway", "faults")}
    command = [sys.executable, "-m", "tests.services.charging_process", spec, json.dumps(urls)]
    return subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, timeout=50).returncode


@pytest.mark.parametrize(
    ("spec", "in_the_ledger", "in_our_book"),
    [
        ("payments.charge=kill-before", {}, []),
        ("gateway.charge=kill-after", CHARGED, []),
        ("payments.charge=kill-after", CHARGED, [(ORDER, PRICE, 0)]),
    ],
)
def test_a_killed_process_is_killed_once_and_charges_once(
    databases: Databases, spec: str, in_the_ledger: dict[str, object], in_our_book: list[object]
) -> None:
    assert charge_in_a_process_of_its_own(databases, spec) == -signal.SIGKILL
    assert Till(databases).ledger() == in_the_ledger
    assert Till(databases).recorded() == in_our_book

    assert charge_in_a_process_of_its_own(databases, spec) == 0
    assert Till(databases).ledger() == CHARGED
    assert Till(databases).recorded() == [(ORDER, PRICE, 0)]


def test_what_a_killed_process_left_with_the_processor_is_given_back(databases: Databases) -> None:
    assert charge_in_a_process_of_its_own(databases, "gateway.charge=kill-after") == -signal.SIGKILL
    till = Till(databases)
    till.payments.refund(undo("charge"))
    assert till.ledger() == {ORDER: ("refunded", PRICE, PRICE)}
    assert till.recorded() == []
