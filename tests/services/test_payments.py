from functools import partial

import pytest

from kernel.contracts import Undone
from kernel.errors import AlreadyUndone, KeyReused, Outage
from services.payments.contracts import CardDeclined, ChargeCard, Charged, PaymentDeclined
from services.payments.simulated_gateway import APPROVED, DECLINED, ledger
from services.payments.tables import payments
from tests.databases import Databases, rows
from tests.services.samples import EMPTY_CARD, GOOD_CARD, ORDER, OTHER_ORDER, PRICE, charge, euros, undo
from tests.services.till import Till
from tests.services.together import answer_of, asked_again, at_once


@pytest.fixture
def till(databases: Databases) -> Till:
    return Till(databases)


def after_the_gateway_answered_but_the_reply_was_lost(databases: Databases, command: ChargeCard) -> Till:
    """The card is charged, and the process is gone before our record of it."""
    with pytest.raises(Outage):
        Till(databases, "gateway.charge=lost").payments.charge(command)
    return Till(databases)


def test_a_charge_is_in_both_books_under_the_processors_id(till: Till) -> None:
    charged = till.payments.charge(charge())
    assert till.ledger() == {ORDER: ("charged", PRICE, 0)}
    assert till.recorded() == [(ORDER, PRICE, 0)]
    ids = rows(till.gateway_database, ledger, "charge_id", "currency", "payment_token")
    assert ids == [(charged.charge_id, "EUR", GOOD_CARD)]
    assert rows(till.database, payments, "charge_id", "currency") == [(charged.charge_id, "EUR")]


@pytest.mark.parametrize("token", sorted(APPROVED))
def test_every_test_card_that_works_is_charged(sqlite_databases: Databases, token: str) -> None:
    till = Till(sqlite_databases)
    till.payments.charge(charge(card=token))
    assert till.ledger() == {ORDER: ("charged", PRICE, 0)}


@pytest.mark.parametrize(("token", "why"), DECLINED.items())
def test_every_test_card_that_declines_says_why(sqlite_databases: Databases, token: str, why: str) -> None:
    till = Till(sqlite_databases)
    with pytest.raises(PaymentDeclined, match=f"^{why}$"):
        till.payments.charge(charge(card=token))
    assert till.ledger() == {ORDER: ("refused", 0, 0)}


def test_a_declined_card_pays_nothing_and_is_not_in_our_book(till: Till) -> None:
    with pytest.raises(PaymentDeclined, match="insufficient funds"):
        till.payments.charge(charge(card=EMPTY_CARD))
    assert till.ledger() == {ORDER: ("refused", 0, 0)}
    assert till.recorded() == []


def test_a_card_that_is_not_known_is_declined(till: Till) -> None:
    with pytest.raises(PaymentDeclined, match="there is no such card token"):
        till.payments.charge(charge(card="tok_monopoly"))


def test_a_repeat_gets_the_first_charge(till: Till) -> None:
    first = till.payments.charge(charge())
    assert till.payments.charge(charge()) == first
    assert till.ledger() == {ORDER: ("charged", PRICE, 0)}


def test_a_declined_card_is_declined_again(till: Till) -> None:
    for _ in range(2):
        with pytest.raises(PaymentDeclined, match="insufficient funds"):
            till.payments.charge(charge(card=EMPTY_CARD))


def test_another_amount_under_the_same_key_is_not_charged(till: Till) -> None:
    till.payments.charge(charge())
    with pytest.raises(KeyReused):
        till.payments.charge(charge(cents=PRICE + 1))
    assert till.ledger() == {ORDER: ("charged", PRICE, 0)}


def test_a_refund_gives_back_the_whole_charge(till: Till) -> None:
    till.payments.charge(charge())
    assert till.payments.refund(undo("charge")) == Undone(had_effect=True)
    assert till.ledger() == {ORDER: ("refunded", PRICE, PRICE)}
    assert till.recorded() == [(ORDER, PRICE, PRICE)]


def test_a_refund_twice_gives_back_once(till: Till) -> None:
    till.payments.charge(charge())
    for _ in range(2):
        assert till.payments.refund(undo("charge")) == Undone(had_effect=True)
    assert till.ledger() == {ORDER: ("refunded", PRICE, PRICE)}


def test_a_refund_leaves_other_orders_alone(till: Till) -> None:
    till.payments.charge(charge())
    till.payments.charge(charge(OTHER_ORDER))
    till.payments.refund(undo("charge"))
    assert till.ledger()[OTHER_ORDER] == ("charged", PRICE, 0)
    assert till.recorded() == [(ORDER, PRICE, PRICE), (OTHER_ORDER, PRICE, 0)]


def test_a_refund_of_a_declined_charge_gives_nothing(till: Till) -> None:
    answer_of(lambda: till.payments.charge(charge(card=EMPTY_CARD)))
    assert till.payments.refund(undo("charge")) == Undone(had_effect=False)
    assert till.ledger() == {ORDER: ("refused", 0, 0)}


def test_a_refunded_card_is_not_charged_again(till: Till) -> None:
    till.payments.charge(charge())
    till.payments.refund(undo("charge"))
    with pytest.raises(AlreadyUndone):
        till.payments.charge(charge())
    assert till.ledger() == {ORDER: ("refunded", PRICE, PRICE)}


def test_a_charge_that_comes_after_its_refund_never_reaches_the_card(till: Till) -> None:
    assert till.payments.refund(undo("charge")) == Undone(had_effect=False)
    with pytest.raises(AlreadyUndone):
        till.payments.charge(charge())
    assert till.ledger() == {ORDER: ("reversed", 0, 0)}
    assert till.recorded() == []


def test_the_processor_itself_refuses_a_charge_that_was_reversed_before(till: Till) -> None:
    """A charge may be on its way, past our own check, while its refund is done."""
    till.payments.refund(undo("charge"))
    with pytest.raises(CardDeclined, match="reversed"):
        till.gateway.charge(charge().key, euros(PRICE), GOOD_CARD)
    assert till.ledger() == {ORDER: ("reversed", 0, 0)}


def test_a_charge_is_declined_when_only_the_processor_knows_of_its_refund(databases: Databases) -> None:
    with pytest.raises(Outage):
        Till(databases, "gateway.reverse=lost").payments.refund(undo("charge"))
    till = Till(databases)
    with pytest.raises(PaymentDeclined, match="reversed"):
        till.payments.charge(charge())
    assert till.payments.refund(undo("charge")) == Undone(had_effect=False)
    assert till.ledger() == {ORDER: ("reversed", 0, 0)}
    assert till.recorded() == []


def test_a_charge_whose_reply_was_lost_is_charged_once(databases: Databases) -> None:
    till = after_the_gateway_answered_but_the_reply_was_lost(databases, charge())
    assert till.ledger() == {ORDER: ("charged", PRICE, 0)}
    assert till.recorded() == []
    assert isinstance(till.payments.charge(charge()), Charged)
    assert till.ledger() == {ORDER: ("charged", PRICE, 0)}
    assert till.recorded() == [(ORDER, PRICE, 0)]


def test_a_charge_that_only_the_processor_knows_of_is_refunded(databases: Databases) -> None:
    till = after_the_gateway_answered_but_the_reply_was_lost(databases, charge())
    till.payments.refund(undo("charge"))
    assert till.ledger() == {ORDER: ("refunded", PRICE, PRICE)}
    with pytest.raises(AlreadyUndone):
        till.payments.charge(charge())
    assert till.ledger() == {ORDER: ("refunded", PRICE, PRICE)}
    assert till.recorded() == []


def test_a_decline_that_only_the_processor_knows_of_is_the_answer(databases: Databases) -> None:
    with pytest.raises(CardDeclined):
        Till(databases).gateway.charge(charge().key, euros(PRICE), EMPTY_CARD)
    with pytest.raises(PaymentDeclined, match="insufficient funds"):
        Till(databases).payments.charge(charge(card=EMPTY_CARD))


@pytest.mark.parametrize("other", [charge(cents=PRICE + 1), charge(card="tok_amex")])
def test_the_processor_does_not_take_one_charge_for_another(databases: Databases, other: ChargeCard) -> None:
    till = after_the_gateway_answered_but_the_reply_was_lost(databases, charge())
    with pytest.raises(PaymentDeclined, match="used before"):
        till.payments.charge(other)
    assert till.ledger() == {ORDER: ("charged", PRICE, 0)}


def test_a_refund_whose_reply_was_lost_gives_back_once(databases: Databases) -> None:
    Till(databases).payments.charge(charge())
    with pytest.raises(Outage):
        Till(databases, "gateway.reverse=lost").payments.refund(undo("charge"))
    till = Till(databases)
    assert till.ledger() == {ORDER: ("refunded", PRICE, PRICE)}
    assert till.recorded() == [(ORDER, PRICE, 0)]
    assert till.payments.refund(undo("charge")) == Undone(had_effect=True)
    assert till.ledger() == {ORDER: ("refunded", PRICE, PRICE)}
    assert till.recorded() == [(ORDER, PRICE, PRICE)]


def test_an_unreachable_processor_leaves_both_books_empty(databases: Databases) -> None:
    till = Till(databases, "gateway.charge=down:2")
    for _ in range(2):
        with pytest.raises(Outage):
            till.payments.charge(charge())
    assert till.ledger() == {}
    assert till.recorded() == []
    till.payments.charge(charge())
    assert till.ledger() == {ORDER: ("charged", PRICE, 0)}


def test_attempts_at_the_same_moment_charge_once(databases: Databases) -> None:
    tills = [Till(databases) for _ in range(3)]

    answers = at_once(*[partial(asked_again, partial(till.payments.charge, charge())) for till in tills])
    assert len({answer.charge_id for answer in answers if isinstance(answer, Charged)}) == 1
    assert all(isinstance(answer, Charged) for answer in answers)
    assert tills[0].ledger() == {ORDER: ("charged", PRICE, 0)}
    assert tills[0].recorded() == [(ORDER, PRICE, 0)]


def test_a_charge_and_its_refund_at_the_same_moment_keep_nothing(databases: Databases) -> None:
    till, other = Till(databases), Till(databases)

    for order in (f"order-{number}" for number in range(5)):
        at_once(
            partial(asked_again, partial(till.payments.charge, charge(order))),
            partial(asked_again, partial(other.payments.refund, undo("charge", order))),
        )
    assert len(till.ledger()) == 5
    assert all(charged == given_back for _state, charged, given_back in till.ledger().values())
    assert all(charged == given_back for _order, charged, given_back in till.recorded())


def test_an_amount_beyond_32_bits_is_kept_to_the_cent(till: Till) -> None:
    fortune = 2**53 + 1
    till.payments.charge(charge(cents=fortune))
    assert till.ledger() == {ORDER: ("charged", fortune, 0)}


def test_a_repeat_is_answered_while_the_processor_is_unreachable(till: Till, databases: Databases) -> None:
    first = till.payments.charge(charge())
    silent = Till(databases, "gateway.charge=down:*")
    assert silent.payments.charge(charge()) == first
