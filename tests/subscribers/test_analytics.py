"""What the shop's owner reads of its orders."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from kernel.contracts import Style
from kernel.database import Database
from kernel.envelope import CloudEvent
from kernel.inbox import inbox
from messaging.bus import Recorded
from messaging.subscription import Subscription
from services.orders.events import OrderCancelled
from services.payments.events import PaymentRefunded
from services.shipping.events import ShipmentCancelled
from subscribers.analytics import Analytics, analytics, facts
from subscribers.analytics_report import AnalyticsReport, report
from tests.databases import Databases, rows
from tests.subscribers.processes import DiesOnce, Place, deliver, deliver_until_handled, recorded
from tests.subscribers.samples import (
    CARD,
    CUSTOMER,
    STREET,
    called_back,
    completed,
    created,
    declined,
    fraud,
    money,
    never_on_record,
    published,
    undeliverable,
)

A_DAY: list[CloudEvent] = [
    *completed("1", ships_after=100),
    *completed("2", ships_after=200, total=money(10_000), style=Style.CHOREOGRAPHY),
    *completed("3", ships_after=400, total=money(5_000, "USD")),
    *declined("4"),
    *declined("5", style=Style.CHOREOGRAPHY),
    *undeliverable("6"),
    *fraud("7"),
    *called_back("8"),
    *never_on_record("9"),
    published(created(), "10"),
]


def counting(place: Place) -> Subscription:
    [subscription] = analytics(place)
    return subscription


def report_of(events: list[CloudEvent], folder: Path) -> AnalyticsReport:
    databases = Databases(lambda _name: "sqlite://")
    try:
        place = Place(folder, databases)
        deliver(counting(place), recorded(events))
        return report(place.database("analytics"))
    finally:
        databases.close()


def test_a_day_in_figures(context: Place) -> None:
    deliver(counting(context), recorded(A_DAY))
    day = report(context.database("analytics"))
    assert (day.placed, day.completed, day.rejected, day.cancelled) == (10, 3, 5, 1)
    assert day.conversion == pytest.approx(0.3)
    assert day.revenue == (money(12_400), money(5_000, "USD"))
    assert day.refunds == (money(4_800),)
    assert list(day.refusals.items()) == [
        ("PaymentDeclined", 2),
        ("FraudConfirmed", 1),
        ("Undeliverable", 1),
        ("UnknownSku", 1),
    ]


def test_the_time_to_ship_is_from_the_order_to_the_parcel(context: Place) -> None:
    deliver(counting(context), recorded(A_DAY))
    took = report(context.database("analytics")).seconds_to_ship
    assert took is not None
    assert (took.median, took.p95) == (200, 400)


def test_of_a_hundred_parcels_95_were_as_quick_as_the_95th(sqlite_databases: Databases, tmp_path: Path) -> None:
    place = Place(tmp_path, sqlite_databases)
    events = [event for number in range(1, 101) for event in completed(str(number), ships_after=number)]
    deliver(counting(place), recorded(events))
    took = report(place.database("analytics")).seconds_to_ship
    assert took is not None
    assert (took.median, took.p95) == (50.5, 95)


def test_an_undo_of_nothing_changes_no_figure(sqlite_databases: Databases, tmp_path: Path) -> None:
    undone = ShipmentCancelled(had_effect=False, reason="late"), PaymentRefunded(had_effect=False, amount=money())
    place = Place(tmp_path, sqlite_databases)
    deliver(counting(place), recorded([*completed(), *map(published, undone)]))
    figures = report(place.database("analytics"))
    assert figures.refunds == ()
    assert figures.seconds_to_ship is not None


def test_each_style_has_its_own_figures_and_together_they_are_all(context: Place) -> None:
    deliver(counting(context), recorded(A_DAY))
    day = report(context.database("analytics"))
    choreographed = day.by_style[Style.CHOREOGRAPHY]
    assert (choreographed.placed, choreographed.completed, choreographed.rejected) == (2, 1, 1)
    assert choreographed.revenue == (money(10_000),)
    assert choreographed.seconds_to_ship is not None
    assert choreographed.seconds_to_ship.median == 200
    assert sum(figures.placed for figures in day.by_style.values()) == day.placed


def test_before_the_first_order_there_are_no_figures(context: Place) -> None:
    counting(context)
    nothing = report(context.database("analytics"))
    assert (nothing.placed, nothing.conversion, nothing.revenue, nothing.seconds_to_ship) == (0, None, (), None)
    assert nothing.by_style == {}


def test_a_reader_that_changes_nothing_can_make_the_report(sqlite_databases: Databases, tmp_path: Path) -> None:
    place = Place(tmp_path, sqlite_databases)
    deliver(counting(place), recorded(A_DAY))
    with closing(Database(sqlite_databases.url("analytics"), for_reading=True)) as reading:
        assert report(reading) == report(place.database("analytics"))


@given(
    order=st.permutations(completed("1") + called_back("2") + undeliverable("3")),
    repeats=st.lists(st.integers(min_value=0, max_value=16), max_size=5),
)
def test_neither_order_nor_repetition_of_events_changes_a_figure(order: list[CloudEvent], repeats: list[int]) -> None:
    straight = report_of(completed("1") + called_back("2") + undeliverable("3"), Path())
    assert report_of([*order, *(order[number] for number in repeats)], Path()) == straight


@pytest.mark.parametrize("position", [0, 1, 7, len(A_DAY) - 1, len(A_DAY)])
def test_what_is_forgotten_and_replayed_gives_the_same_figures(context: Place, position: int) -> None:
    subscription, log = counting(context), recorded(A_DAY)
    database = context.database("analytics")
    deliver(subscription, log)
    before, facts_before = report(database), rows(database, facts, "event_id", "position")
    assert subscription.forget is not None
    subscription.forget(position)
    assert all(row[0] <= position for row in rows(database, facts, "position"))
    deliver(subscription, log[position:])
    assert report(database) == before
    assert rows(database, facts, "event_id", "position") == facts_before


def test_what_was_forgotten_is_not_in_the_figures(context: Place) -> None:
    subscription = counting(context)
    deliver(subscription, recorded(completed("1") + completed("2")))
    assert subscription.forget is not None
    subscription.forget(6)
    assert report(context.database("analytics")).completed == 1


def test_a_replay_of_what_was_not_forgotten_counts_nothing_twice(context: Place) -> None:
    subscription = counting(context)
    deliver(subscription, recorded(A_DAY))
    once = report(context.database("analytics"))
    deliver(subscription, [Recorded(1_000 + one.position, one.event) for one in recorded(A_DAY)])
    assert report(context.database("analytics")) == once


@pytest.mark.parametrize("committed", [False, True])
def test_an_event_counts_once_though_the_database_is_lost_in_its_transaction(context: Place, committed: bool) -> None:
    whole = counting(context)
    lost_once = DiesOnce(context.database("analytics"), nth=1, committed=committed)
    deliver_until_handled(replace(whole, handle=Analytics(lost_once).handle), recorded(completed()))
    assert lost_once.died
    assert report(context.database("analytics")).revenue == (money(),)
    assert len(rows(context.database("analytics"), facts, "event_id")) == 3  # created, shipped, completed


def test_any_sql_can_ask_for_one_order(context: Place) -> None:
    deliver(counting(context), recorded(A_DAY))
    with context.database("analytics").begin() as tx:
        row = tx.execute(text("SELECT outcome, refusal, refunded FROM orders WHERE order_id = '6'")).one()
    assert tuple(row) == ("rejected", "Undeliverable", 2_400)


def test_the_tables_are_recreated_by_the_next_worker_without_a_loss(context: Place) -> None:
    deliver(counting(context), recorded(A_DAY))
    before = report(context.database("analytics"))
    counting(context)
    assert report(context.database("analytics")) == before


def test_no_person_is_found_in_the_figures(context: Place) -> None:
    words = published(OrderCancelled(reason="I moved to Sesame Street: number 5", customer_id=CUSTOMER), "11")
    deliver(counting(context), recorded([*A_DAY, words]))
    database = context.database("analytics")
    kept = f"{rows(database, facts, *facts.c.keys())} {rows(database, inbox, *inbox.c.keys())}"
    for secret in (CARD, STREET, CUSTOMER, "Sesame"):
        assert secret not in kept
