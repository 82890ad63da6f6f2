from datetime import timedelta
from functools import partial

import pytest

from kernel.contracts import Undone
from kernel.errors import AlreadyUndone, CannotUndo, KeyReused, Outage
from lab.faults import Faults, parse
from services.orders.contracts import Address
from services.shipping.contracts import AddressNotServed, Booked, Destination, ShipOrder, Undeliverable
from services.shipping.service import Shipping
from services.shipping.simulated_courier import SimulatedCourier, parcels
from services.shipping.tables import shipments
from tests.databases import Databases, rows
from tests.services.samples import ORDER, OTHER_ORDER, Clock, ship, undo
from tests.services.together import answer_of, asked_again, at_once

PICKUP = timedelta(hours=1)
A_MOMENT = timedelta(milliseconds=1)


class Dock:
    """Shipping and the courier behind it, with the books of both."""

    def __init__(self, databases: Databases, clock: Clock, faults: str = "") -> None:
        self.database = databases.migrated("shipping")
        self.courier_database = databases.open("courier")
        self.courier = SimulatedCourier(self.courier_database, PICKUP, clock)
        self.courier.open()
        faulty = Faults(parse(faults), lambda: databases.open("faults"))
        self.shipping = Shipping(self.database, faulty.wrap("courier", self.courier), clock)

    def parcels(self) -> dict[str, str]:
        """The courier's book: what became of each order's parcel."""
        lines = rows(self.courier_database, parcels, "key", "status")
        return {key.partition(":")[0]: status for key, status in lines}

    def recorded(self) -> dict[str, str]:
        """Our own book."""
        return dict(rows(self.database, shipments, "order_id", "status"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dock(databases: Databases, clock: Clock) -> Dock:
    return Dock(databases, clock)


def after_the_courier_booked_but_the_reply_was_lost(databases: Databases, clock: Clock) -> Dock:
    with pytest.raises(Outage):
        Dock(databases, clock, "courier.book=lost").shipping.ship(ship())
    return Dock(databases, clock)


def test_a_parcel_is_in_both_books_under_its_tracking_number(dock: Dock) -> None:
    shipped = dock.shipping.ship(ship())
    assert rows(dock.courier_database, parcels, "status", "tracking_number") == [("booked", shipped.tracking_number)]
    assert rows(dock.database, shipments, "order_id", "status", "tracking_number") == [
        (ORDER, "booked", shipped.tracking_number)
    ]


def test_each_order_has_a_tracking_number_of_its_own(dock: Dock) -> None:
    assert dock.shipping.ship(ship()) != dock.shipping.ship(ship(OTHER_ORDER))


def test_the_courier_has_the_whole_address(dock: Dock) -> None:
    command = ship(city="'s-Hertogenbosch, “Łódź”")
    dock.shipping.ship(command)
    [(destination,)] = rows(dock.courier_database, parcels, "destination")
    assert Destination.model_validate_json(destination) == command.ship_to


@pytest.mark.parametrize("character", ["x", "é", "店", '"', "\\"])
def test_the_longest_address_that_an_order_may_have_is_shipped(dock: Dock, character: str) -> None:
    full = character * 100
    address = Address(name=full, street=full, postal_code=full, city=full, country="NL")
    to = Destination.model_validate(address.model_dump())
    dock.shipping.ship(ShipOrder(key=f"{ORDER}:ship", order_id=ORDER, ship_to=to))
    assert dock.parcels() == {ORDER: "booked"}


def test_a_repeat_books_no_second_parcel(dock: Dock) -> None:
    first = dock.shipping.ship(ship())
    assert dock.shipping.ship(ship()) == first
    assert dock.parcels() == {ORDER: "booked"}


@pytest.mark.parametrize("country", ["AQ", "XX", "ZZ", "QM", "QZ"])
def test_an_address_that_is_not_served_is_undeliverable(dock: Dock, country: str) -> None:
    with pytest.raises(Undeliverable, match=f"no courier goes to {country}"):
        dock.shipping.ship(ship(country=country))
    assert dock.parcels() == {ORDER: "refused"}
    assert dock.recorded() == {}


@pytest.mark.parametrize("country", ["NL", "QA", "ZA", "AU"])
def test_an_address_that_is_served_is_delivered_to(dock: Dock, country: str) -> None:
    dock.shipping.ship(ship(country=country))
    assert dock.recorded() == {ORDER: "booked"}


def test_an_undeliverable_parcel_stays_undeliverable(dock: Dock) -> None:
    for _ in range(2):
        with pytest.raises(Undeliverable, match="AQ"):
            dock.shipping.ship(ship(country="AQ"))


def test_another_address_under_the_same_key_is_not_shipped_to(dock: Dock) -> None:
    dock.shipping.ship(ship())
    with pytest.raises(KeyReused):
        dock.shipping.ship(ship(city="Utrecht"))


def test_a_parcel_can_be_called_back_until_the_van_comes(dock: Dock, clock: Clock) -> None:
    dock.shipping.ship(ship())
    clock.forward(PICKUP - A_MOMENT)
    assert dock.shipping.cancel(undo("ship")) == Undone(had_effect=True)
    assert dock.parcels() == {ORDER: "cancelled"}
    assert dock.recorded() == {ORDER: "cancelled"}


def test_a_parcel_that_the_courier_has_cannot_be_called_back(dock: Dock, clock: Clock) -> None:
    shipped = dock.shipping.ship(ship())
    clock.forward(PICKUP)
    for _ in range(2):
        with pytest.raises(CannotUndo, match=shipped.tracking_number):
            dock.shipping.cancel(undo("ship"))
    assert dock.parcels() == {ORDER: "booked"}
    assert dock.recorded() == {ORDER: "booked"}
    assert dock.shipping.ship(ship()) == shipped


def test_a_refused_cancellation_can_be_tried_again(databases: Databases, clock: Clock) -> None:
    """The courier may find the parcel after all; the first no is not recorded."""
    dock = Dock(databases, clock, "courier.cancel=refuse")
    dock.shipping.ship(ship())
    with pytest.raises(CannotUndo):
        dock.shipping.cancel(undo("ship"))
    assert dock.shipping.cancel(undo("ship")) == Undone(had_effect=True)
    assert dock.parcels() == {ORDER: "cancelled"}
    assert dock.recorded() == {ORDER: "cancelled"}


def test_a_cancellation_twice_is_one_even_after_the_van_came(dock: Dock, clock: Clock) -> None:
    dock.shipping.ship(ship())
    dock.shipping.cancel(undo("ship"))
    clock.forward(PICKUP)
    assert dock.shipping.cancel(undo("ship")) == Undone(had_effect=True)


def test_a_cancelled_parcel_is_not_shipped_again(dock: Dock) -> None:
    dock.shipping.ship(ship())
    dock.shipping.cancel(undo("ship"))
    with pytest.raises(AlreadyUndone):
        dock.shipping.ship(ship())
    assert dock.parcels() == {ORDER: "cancelled"}


def test_a_cancellation_leaves_other_orders_alone(dock: Dock) -> None:
    dock.shipping.ship(ship())
    dock.shipping.ship(ship(OTHER_ORDER))
    dock.shipping.cancel(undo("ship"))
    assert dock.recorded() == {ORDER: "cancelled", OTHER_ORDER: "booked"}
    assert dock.parcels() == {ORDER: "cancelled", OTHER_ORDER: "booked"}


def test_a_cancellation_of_an_undeliverable_parcel_has_no_effect(dock: Dock) -> None:
    answer_of(lambda: dock.shipping.ship(ship(country="AQ")))
    assert dock.shipping.cancel(undo("ship")) == Undone(had_effect=False)
    assert dock.parcels() == {ORDER: "refused"}


def test_a_parcel_that_comes_after_its_cancellation_is_not_booked(dock: Dock) -> None:
    assert dock.shipping.cancel(undo("ship")) == Undone(had_effect=False)
    with pytest.raises(AlreadyUndone):
        dock.shipping.ship(ship())
    assert dock.parcels() == {ORDER: "cancelled"}
    assert dock.recorded() == {}


def test_the_courier_itself_refuses_a_booking_that_was_cancelled_before(dock: Dock) -> None:
    dock.shipping.cancel(undo("ship"))
    with pytest.raises(AddressNotServed, match="cancelled"):
        dock.courier.book(ship().key, ship().ship_to)
    assert dock.parcels() == {ORDER: "cancelled"}


def test_a_parcel_whose_booking_was_lost_in_reply_is_booked_once(databases: Databases, clock: Clock) -> None:
    dock = after_the_courier_booked_but_the_reply_was_lost(databases, clock)
    assert dock.parcels() == {ORDER: "booked"}
    assert dock.recorded() == {}
    shipped = dock.shipping.ship(ship())
    assert rows(dock.courier_database, parcels, "tracking_number") == [(shipped.tracking_number,)]
    assert dock.recorded() == {ORDER: "booked"}


def test_a_parcel_that_only_the_courier_knows_of_is_called_back(databases: Databases, clock: Clock) -> None:
    dock = after_the_courier_booked_but_the_reply_was_lost(databases, clock)
    dock.shipping.cancel(undo("ship"))
    assert dock.parcels() == {ORDER: "cancelled"}
    with pytest.raises(AlreadyUndone):
        dock.shipping.ship(ship())
    assert dock.recorded() == {}


def test_a_parcel_that_only_the_courier_knows_of_is_not_written_off_once_collected(
    databases: Databases, clock: Clock
) -> None:
    dock = after_the_courier_booked_but_the_reply_was_lost(databases, clock)
    clock.forward(PICKUP)
    with pytest.raises(CannotUndo):
        dock.shipping.cancel(undo("ship"))
    assert isinstance(dock.shipping.ship(ship()), Booked)
    assert dock.recorded() == {ORDER: "booked"}


def test_a_cancellation_whose_reply_was_lost_is_done_once(databases: Databases, clock: Clock) -> None:
    Dock(databases, clock).shipping.ship(ship())
    with pytest.raises(Outage):
        Dock(databases, clock, "courier.cancel=lost").shipping.cancel(undo("ship"))
    clock.forward(PICKUP)
    dock = Dock(databases, clock)
    assert dock.recorded() == {ORDER: "booked"}
    assert dock.shipping.cancel(undo("ship")) == Undone(had_effect=True)
    assert dock.recorded() == {ORDER: "cancelled"}


def test_a_parcel_is_undeliverable_when_only_the_courier_knows_of_its_cancellation(
    databases: Databases, clock: Clock
) -> None:
    with pytest.raises(Outage):
        Dock(databases, clock, "courier.cancel=lost").shipping.cancel(undo("ship"))
    dock = Dock(databases, clock)
    with pytest.raises(Undeliverable, match="cancelled"):
        dock.shipping.ship(ship())
    assert dock.recorded() == {}


def test_the_courier_does_not_take_one_parcel_for_another(databases: Databases, clock: Clock) -> None:
    dock = after_the_courier_booked_but_the_reply_was_lost(databases, clock)
    with pytest.raises(Undeliverable, match="used before"):
        dock.shipping.ship(ship(city="Utrecht"))


def test_a_parcel_and_its_cancellation_at_the_same_moment_end_cancelled(databases: Databases, clock: Clock) -> None:
    dock, other = Dock(databases, clock), Dock(databases, clock)

    for order in (f"order-{number}" for number in range(5)):
        at_once(
            partial(asked_again, partial(dock.shipping.ship, ship(order))),
            partial(asked_again, partial(other.shipping.cancel, undo("ship", order))),
        )
    assert len(dock.parcels()) == 5
    assert set(dock.parcels().values()) == {"cancelled"}
    assert set(dock.recorded().values()) <= {"cancelled"}
