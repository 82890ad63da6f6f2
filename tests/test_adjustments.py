"""What was settled outside after an order was completed: once noted, the audit expects exactly that, and no more."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from audit.invariants import audit
from kernel.contracts import Style
from kernel.database import Database
from kernel.outbox import outbox
from lab.settings import LabSettings
from services.orders.tables import orders
from tests.databases import rows
from tests.processes import Ran, environment_of, run_here
from tests.test_books import found, sell, tamper, three_orders

CHARGED, PROCESSOR = "completed: charged once in full", "payments agree with the processor"
SHIPPED, COURIER = "completed: shipped once", "shipments agree with the courier"
GIVEN_BACK = "gateway: UPDATE ledger SET refunded = {} WHERE key = 'good:charge'"
CAME_BACK = "courier: UPDATE parcels SET status = '{}' WHERE key = 'good:ship'"
NOTE = ("--note", "goodwill: a chipped mug")


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    """A shop of three orders: `good` is completed, `bad` rejected, `under-way` in progress."""
    settings = LabSettings(data_dir=tmp_path)
    sell(settings, *three_orders())
    return settings


def adjust(settings: LabSettings, *arguments: str) -> Ran:
    return run_here(environment_of(settings, "none"), "adjust", *arguments)


def published(settings: LabSettings) -> list[tuple[str, dict[str, object]]]:
    with closing(Database(settings.url_of("orders"), for_reading=True)) as database:
        of_type = [row for row in rows(database, outbox, "type", "style", "data") if row[0] == "OrderAdjusted"]
    return [(style, json.loads(data)) for _, style, data in of_type]


@pytest.mark.parametrize("style", list(Style))
def test_a_refund_at_the_processor_itself_is_noted_and_a_further_one_is_a_finding(
    settings: LabSettings, style: Style
) -> None:
    with closing(Database(settings.url_of("orders"))) as database, database.begin() as tx:
        tx.execute(update(orders).values(style=style))
    tamper(settings, GIVEN_BACK.format(100))
    assert found(settings) == {("good", CHARGED), ("good", PROCESSOR)}
    for _ in range(2):
        ran = adjust(settings, "good", "--refunded", "1.00", *NOTE)
        assert (ran.code, ran.out) == (0, "noted of good: 1.00 EUR of 48.50 EUR was refunded outside\n")
    report = audit(settings)
    assert (report.violations, report.not_judged) == ([], [])
    assert report.settled_by_hand == {"good": "refunded 1.00 EUR outside – goodwill: a chipped mug"}
    given = {"refunded": {"amount": 100, "currency": "EUR"}, "returned": False, "note": "goodwill: a chipped mug"}
    assert published(settings) == [(style, given)]

    tamper(settings, GIVEN_BACK.format(101))
    assert found(settings) == {("good", CHARGED), ("good", PROCESSOR)}
    assert adjust(settings, "good", "--refunded", "1.01", *NOTE).code == 0
    assert found(settings) == set()
    tamper(settings, GIVEN_BACK.format(0))  # what was noted did not happen
    assert found(settings) == {("good", CHARGED), ("good", PROCESSOR)}
    assert adjust(settings, "good", "--refunded", "0", "--note", "it was another order").code == 0
    assert found(settings) == set()


def test_a_parcel_that_came_back_is_noted_with_the_refund_of_the_whole_charge(settings: LabSettings) -> None:
    tamper(settings, CAME_BACK.format("returned"))
    assert found(settings) == {("good", SHIPPED), ("good", COURIER)}
    document = adjust(settings, "good", "--returned", "--note", "refused at the door", "--json").document
    assert document == {
        "order_id": "good",
        "refunded": {"amount": 0, "currency": "EUR"},
        "returned": True,
        "note": "refused at the door",
    }
    assert found(settings) == set()
    tamper(settings, GIVEN_BACK.format(4850))
    assert found(settings) == {("good", CHARGED), ("good", PROCESSOR)}
    assert adjust(settings, "good", "--refunded", "48.50", "--note", "refunded after the return").code == 0
    report = audit(settings)
    assert report.violations == []
    assert report.settled_by_hand["good"] == "refunded 48.50 EUR outside, parcel returned – refunded after the return"
    tamper(settings, CAME_BACK.format("booked"))
    assert found(settings) == {("good", "completed: its parcel came back"), ("good", COURIER)}


def test_what_is_noted_by_nobody_s_command_is_a_finding(settings: LabSettings) -> None:
    tamper(settings, GIVEN_BACK.format(100))
    note = '{"refunded": 100, "returned": false, "note": "mine"}'
    tamper(settings, f"orders: UPDATE orders SET adjusted = '{note}' WHERE order_id = 'good'")
    assert found(settings) == {("good", "records agree with events")}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("good", *NOTE), "say what was settled"),
        (("good", "--refunded", "1.00", "--note", " "), "say in --note"),
        (("good", "--refunded", "1.00", "--note", "x" * 1001), "at most 1,000 characters"),
        (("good", "--refunded", "1.001", *NOTE), "--refunded 1.001: give an amount in EUR"),
        (("good", "--refunded", "-1", *NOTE), "--refunded -1: give an amount in EUR"),
        (("good", "--refunded", "much", *NOTE), "--refunded much: give an amount in EUR"),
        (("good", "--refunded", "1e30", *NOTE), "--refunded 1e30: give an amount in EUR"),
        (("good", "--refunded", "48.51", *NOTE), "order good cost 48.50 EUR: no more can be refunded"),
        (("bad", "--refunded", "1.00", *NOTE), "order bad is rejected: only a completed order is adjusted"),
        (("under-way", "--returned", *NOTE), "order under-way is in-progress: only a completed order is adjusted"),
        (("nobody", "--returned", *NOTE), "there is no order nobody on record"),
    ],
)
def test_what_cannot_be_noted_is_refused_in_one_line(
    settings: LabSettings, arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in adjust(settings, *arguments).complaint
    assert published(settings) == []
