from typing import ClassVar

import pytest

from kernel.contracts import Event
from subscribers.redaction import UnknownEvent, redacted, without_data
from tests.subscribers.samples import CARD, CUSTOMER, STREET, created, told


class GiftWrapped(Event):
    """What a service that is added later may tell."""

    private: ClassVar[tuple[str, ...]] = ("greeting",)

    paper: str
    greeting: str


def test_neither_card_nor_address_leaves_our_services() -> None:
    shown = redacted(told(created())).model_dump_json()
    assert CARD not in shown
    assert STREET not in shown
    assert CUSTOMER in shown


def test_a_new_services_event_keeps_to_itself_what_it_says_is_private() -> None:
    assert redacted(told(GiftWrapped(paper="red", greeting="to A."))).data == {"paper": "red"}


def test_a_field_that_only_a_newer_version_knows_does_not_leave() -> None:
    event = told(created())
    newer = event.model_copy(update={"data": event.data | {"phone": "555"}})
    assert redacted(newer) == redacted(event)


def test_nothing_is_shown_of_an_event_that_nobody_knows() -> None:
    with pytest.raises(UnknownEvent, match="no event is called Rumour"):
        redacted(told(created()).model_copy(update={"type": "Rumour"}))


def test_the_envelope_stays() -> None:
    event = told(created())
    for shown in (redacted(event), without_data(event)):
        assert shown.model_copy(update={"data": event.data}) == event
    assert without_data(event).data == {}
