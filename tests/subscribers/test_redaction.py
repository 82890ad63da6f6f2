from typing import ClassVar

import pytest

from kernel.contracts import Contract, Event
from schemas.export import data_schema
from services.orders.events import OrderRejected
from subscribers.redaction import UnknownEvent, redacted, without_data
from tests.subscribers.samples import CARD, CUSTOMER, STREET, created, published


class GiftWrapped(Event):
    """What a service that is added later may publish."""

    private: ClassVar[tuple[str, ...]] = ("greeting",)

    paper: str
    greeting: str


class Recipient(Contract):
    private: ClassVar[tuple[str, ...]] = ("phone",)

    floor: int
    phone: str


class ParcelsLeft(Event):
    """Whose parts have private fields of their own, however deep they are."""

    first: Recipient | None
    others: tuple[Recipient, ...]


def test_neither_card_nor_address_leaves_our_services() -> None:
    shown = redacted(published(created())).model_dump_json()
    assert CARD not in shown
    assert STREET not in shown
    assert CUSTOMER in shown


def test_a_new_services_event_keeps_to_itself_what_it_says_is_private() -> None:
    assert redacted(published(GiftWrapped(paper="red", greeting="to A."))).data == {"paper": "red"}


def test_what_a_part_of_an_event_says_is_private_stays_too() -> None:
    one, other = Recipient(floor=1, phone="555-1"), Recipient(floor=2, phone="555-2")
    event = published(ParcelsLeft(first=one, others=(other,)))
    assert redacted(event).data == {"first": {"floor": 1}, "others": [{"floor": 2}]}
    newer = published(ParcelsLeft(first=None, others=()))
    newer = newer.model_copy(update={"data": {"first": one.model_dump() | {"door": "B"}, "others": []}})
    assert redacted(newer).data == {"first": {"floor": 1}, "others": []}


def test_the_schema_requires_no_private_part_of_an_event() -> None:
    recipient = data_schema(ParcelsLeft)["$defs"]["Recipient"]
    assert recipient["required"] == ["floor"]
    assert recipient["properties"]["phone"]["x-private"] is True


def test_a_token_in_a_text_that_somebody_wrote_is_masked() -> None:
    """Events from before the gateway kept it to itself say it in their reason; people may in a note."""
    shown = redacted(published(OrderRejected(reason=f"PaymentDeclined: no such token: {CARD}", customer_id=CUSTOMER)))
    assert shown.data["reason"] == "PaymentDeclined: no such token: tok_…"


def test_a_field_that_only_a_newer_version_knows_does_not_leave() -> None:
    event = published(created())
    newer = event.model_copy(update={"data": event.data | {"phone": "555"}})
    assert redacted(newer) == redacted(event)


def test_nothing_is_shown_of_an_event_that_nobody_knows() -> None:
    with pytest.raises(UnknownEvent, match="no event is called Rumour"):
        redacted(published(created()).model_copy(update={"type": "Rumour"}))


def test_the_envelope_stays() -> None:
    event = published(created())
    for shown in (redacted(event), without_data(event)):
        assert shown.model_copy(update={"data": event.data}) == event
    assert without_data(event).data == {}
