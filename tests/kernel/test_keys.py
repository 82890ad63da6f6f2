import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.keys import Key, event_id

ORDER_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
STEPS = st.text(st.characters(exclude_characters=":"), max_size=20)


def test_the_text_on_the_wire_is_that_of_every_stored_key() -> None:
    assert str(Key("order-1", "charge")) == "order-1:charge"
    assert event_id("order-1:charge", "PaymentProcessed") == "order-1:charge:PaymentProcessed"


@given(ORDER_IDS, STEPS)
def test_a_key_is_read_as_it_was_written(order_id: str, step: str) -> None:
    assert Key.parse(str(Key(order_id, step))) == Key(order_id, step)


@given(ORDER_IDS, STEPS, st.lists(st.text(), min_size=1))
def test_the_operation_can_be_parsed_from_an_events_id(order_id: str, step: str, found: list[str]) -> None:
    assert Key.parse(event_id(str(Key(order_id, step)), *found)) == Key(order_id, step)


@given(ORDER_IDS, st.text())
def test_the_order_can_be_parsed_from_an_events_id(order_id: str, found: str) -> None:
    assert Key.parse(event_id(order_id, found)).order_id == order_id


@given(st.text())
def test_no_text_is_refused_by_who_reads_ids(text: str) -> None:
    """They read what is on the bus, where others may publish too."""
    assert Key.parse(text).order_id == text.partition(":")[0]


@pytest.mark.parametrize(("order_id", "step"), [("order:1", "charge"), ("order-1", "charge:2")])
def test_a_key_that_could_not_be_read_is_not_made(order_id: str, step: str) -> None:
    with pytest.raises(ValueError, match="make no key"):
        Key(order_id, step)
