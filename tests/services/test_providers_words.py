"""What a company outside says in its own words may name a card or a person, so it goes no further than our service."""

import traceback
from collections.abc import Callable, Iterator, Sequence

import pytest

from kernel.errors import CannotUndo, Outage, ServiceError
from kernel.money import Money
from kernel.outbox import oldest
from services.payments.contracts import CardDeclined, ChargeRecord
from services.payments.service import Payments
from services.shipping.contracts import AddressNotServed, AlreadyCollected, Destination, ParcelRecord
from services.shipping.service import Shipping
from tests.databases import Databases
from tests.services.samples import charge, ship, undo

SAID = "no such token: tok_marked, of Mx Marked, 7 Marked Street"


class Talkative:
    """A card processor, and a courier, whose every answer names whom it is about."""

    def __init__(self, answer: type[Exception]) -> None:
        self._answer = answer

    def charge(self, key: str, amount: Money, payment_token: str) -> str:
        raise self._answer(SAID)

    def reverse(self, key: str) -> None:
        raise self._answer(SAID)

    def book(self, key: str, ship_to: Destination) -> str:
        raise self._answer(SAID)

    def cancel(self, key: str) -> None:
        raise self._answer(SAID)

    def charges(self, orders: Sequence[str] | None = None) -> Iterator[ChargeRecord]:
        raise self._answer(SAID)

    def parcels(self, orders: Sequence[str] | None = None) -> Iterator[ParcelRecord]:
        raise self._answer(SAID)


def calls(databases: Databases, answer: type[Exception]) -> Iterator[Callable[[], object]]:
    payments = Payments(databases.migrated("payments"), Talkative(answer))
    shipping = Shipping(databases.migrated("shipping"), Talkative(answer))
    yield lambda: payments.charge(charge())
    yield lambda: payments.refund(undo("charge"))
    yield lambda: shipping.ship(ship())
    yield lambda: shipping.cancel(undo("ship"))


@pytest.mark.parametrize(
    "answer", [CardDeclined, AddressNotServed, AlreadyCollected, RuntimeError, KeyError, TimeoutError]
)
def test_no_word_of_a_provider_goes_on(sqlite_databases: Databases, answer: type[Exception]) -> None:
    for call in calls(sqlite_databases, answer):
        with pytest.raises(ServiceError) as raised:
            call()
        assert "arked" not in "".join(traceback.format_exception(raised.value))
    for service in ("payments", "shipping"):
        with sqlite_databases.open(service).begin() as tx:
            events = oldest(tx, service, limit=10)[1]
        assert "arked" not in "".join(event.model_dump_json() for event in events)


def test_what_an_operator_can_use_of_it_is_said(sqlite_databases: Databases) -> None:
    _, refund, ship_, _ = calls(sqlite_databases, TimeoutError)
    with pytest.raises(Outage, match=r"^the card processor failed: TimeoutError$"):
        refund()
    with pytest.raises(Outage, match=r"^the courier failed: TimeoutError$"):
        ship_()
    *_, cancel = calls(sqlite_databases, AlreadyCollected)
    with pytest.raises(CannotUndo, match=r"^the courier has the parcel already$"):
        cancel()


def test_an_adapter_may_say_in_its_own_words_what_an_operator_should_read(sqlite_databases: Databases) -> None:
    refund = list(calls(sqlite_databases, Outage))[1]
    with pytest.raises(Outage, match="no such token"):
        refund()
