from datetime import timedelta

import pytest

from kernel.database import Database
from kernel.errors import KeyReused
from services.fraud.contracts import DecideOnFraud, Decision, FraudLimits, Screened, TakenForFraud, Verdict
from services.fraud.service import Fraud
from services.fraud.tables import screenings
from tests.databases import Databases, rows
from tests.services.samples import NOON, ORDER, OTHER_CUSTOMER, OTHER_ORDER, Clock, screen

LARGE, HUGE, AN_HOUR = 100_000, 1_000_000, timedelta(hours=1)
LIMITS = FraudLimits(large_amount=LARGE, huge_amount=HUGE, orders_an_hour=3)
A_MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.migrated("fraud")


@pytest.fixture
def fraud(database: Database, clock: Clock) -> Fraud:
    return Fraud(database, LIMITS, clock)


def as_many_as_an_hour_may_have(fraud: Fraud) -> None:
    for number in range(LIMITS.orders_an_hour):
        fraud.screen(screen(f"earlier-{number}"))


def decide(decision: Decision, order: str = ORDER) -> DecideOnFraud:
    return DecideOnFraud(key=f"{order}:decide", order_id=order, decision=decision, note="called the customer")


def test_a_small_order_of_a_new_customer_is_clear(fraud: Fraud, database: Database) -> None:
    assert fraud.screen(screen()) == Screened(verdict=Verdict.CLEAR, score=0, rules=())
    assert rows(database, screenings, "order_id", "verdict", "score", "decision", "screened_at") == [
        (ORDER, "clear", 0, "", int(NOON.timestamp()) * 1000)
    ]


@pytest.mark.parametrize("cents", [LARGE, HUGE - 1])
def test_a_large_amount_is_for_a_person_to_judge(fraud: Fraud, database: Database, cents: int) -> None:
    assert fraud.screen(screen(cents=cents)) == Screened(verdict=Verdict.POSSIBLE, score=50, rules=("large amount",))
    assert rows(database, screenings, "verdict", "score", "rules") == [("possible", 50, "large amount")]


def test_just_below_a_large_amount_is_clear(fraud: Fraud) -> None:
    assert fraud.screen(screen(cents=LARGE - 1)).verdict == Verdict.CLEAR


def test_a_huge_amount_is_taken_for_a_fraud(fraud: Fraud, database: Database) -> None:
    with pytest.raises(TakenForFraud, match="score 100: huge amount"):
        fraud.screen(screen(cents=HUGE))
    assert rows(database, screenings, "order_id") == []


def test_more_orders_than_an_hour_may_have_are_for_a_person_to_judge(fraud: Fraud) -> None:
    as_many_as_an_hour_may_have(fraud)
    assert fraud.screen(screen()) == Screened(verdict=Verdict.POSSIBLE, score=50, rules=("many orders within an hour",))


def test_the_last_order_that_an_hour_may_have_is_clear(fraud: Fraud) -> None:
    for number in range(LIMITS.orders_an_hour):
        assert fraud.screen(screen(f"order-{number}")).verdict == Verdict.CLEAR


def test_the_orders_of_others_are_not_a_customers_own(fraud: Fraud) -> None:
    as_many_as_an_hour_may_have(fraud)
    assert fraud.screen(screen(customer=OTHER_CUSTOMER)).verdict == Verdict.CLEAR


def test_repeats_are_not_orders(fraud: Fraud) -> None:
    for _ in range(LIMITS.orders_an_hour + 1):
        fraud.screen(screen(OTHER_ORDER))
    assert fraud.screen(screen()).verdict == Verdict.CLEAR


@pytest.mark.parametrize(("later", "verdict"), [(AN_HOUR - A_MOMENT, Verdict.POSSIBLE), (AN_HOUR, Verdict.CLEAR)])
def test_an_order_counts_for_an_hour(fraud: Fraud, clock: Clock, later: timedelta, verdict: Verdict) -> None:
    as_many_as_an_hour_may_have(fraud)
    clock.forward(later)
    assert fraud.screen(screen()).verdict == verdict


def test_a_first_country_is_not_new(fraud: Fraud) -> None:
    assert fraud.screen(screen(country="US")).score == 0


def test_a_new_country_alone_is_clear_but_is_noted(fraud: Fraud) -> None:
    fraud.screen(screen(OTHER_ORDER, country="NL"))
    assert fraud.screen(screen(country="US")) == Screened(
        verdict=Verdict.CLEAR, score=30, rules=("a country new for this customer",)
    )


def test_a_country_is_new_once(fraud: Fraud, clock: Clock) -> None:
    scores = []
    for number, country in enumerate(["NL", "US", "US", "NL"]):
        clock.forward(AN_HOUR)
        scores.append(fraud.screen(screen(f"order-{number}", country=country)).score)
    assert scores == [0, 30, 0, 0]


def test_the_country_of_others_is_new_for_this_customer(fraud: Fraud) -> None:
    fraud.screen(screen("order-a", country="NL"))
    fraud.screen(screen("order-b", customer=OTHER_CUSTOMER, country="US"))
    assert fraud.screen(screen(country="US")).score == 30


def test_scores_add_up(fraud: Fraud) -> None:
    fraud.screen(screen(OTHER_ORDER, country="NL"))
    screened = fraud.screen(screen(country="US", cents=LARGE))
    assert screened == Screened(
        verdict=Verdict.POSSIBLE, score=80, rules=("large amount", "a country new for this customer")
    )


def test_scores_that_add_up_to_a_fraud_are_one(fraud: Fraud) -> None:
    as_many_as_an_hour_may_have(fraud)
    with pytest.raises(TakenForFraud, match="score 100: large amount, many orders within an hour"):
        fraud.screen(screen(cents=LARGE))


def test_a_fraud_does_not_make_its_country_known(fraud: Fraud) -> None:
    fraud.screen(screen("order-a", country="NL"))
    with pytest.raises(TakenForFraud):
        fraud.screen(screen("order-b", country="US", cents=HUGE))
    assert fraud.screen(screen(country="US")).score == 30


def test_a_repeat_gets_the_first_verdict_when_the_hour_is_busy_by_then(fraud: Fraud) -> None:
    first = fraud.screen(screen())
    as_many_as_an_hour_may_have(fraud)
    assert fraud.screen(screen()) == first
    assert first.verdict == Verdict.CLEAR


def test_a_repeat_gets_the_first_verdict_when_the_limits_have_changed(fraud: Fraud, database: Database) -> None:
    first = fraud.screen(screen())
    stricter = Fraud(database, FraudLimits(large_amount=1, huge_amount=2))
    assert stricter.screen(screen()) == first
    with pytest.raises(TakenForFraud):
        stricter.screen(screen(OTHER_ORDER))


def test_a_fraud_stays_one_when_the_limits_have_changed(fraud: Fraud, database: Database) -> None:
    with pytest.raises(TakenForFraud):
        fraud.screen(screen(cents=HUGE))
    kinder = Fraud(database, FraudLimits(large_amount=10 * HUGE, huge_amount=10 * HUGE))
    with pytest.raises(TakenForFraud, match="score 100: huge amount"):
        kinder.screen(screen(cents=HUGE))


@pytest.mark.parametrize("decision", Decision)
def test_a_persons_decision_is_on_record(fraud: Fraud, database: Database, decision: Decision) -> None:
    fraud.screen(screen(cents=LARGE))
    for _ in range(2):
        assert fraud.decide(decide(decision)).decision == decision
    assert rows(database, screenings, "order_id", "decision") == [(ORDER, decision.value)]


def test_the_first_decision_stands(fraud: Fraud, database: Database) -> None:
    fraud.screen(screen(cents=LARGE))
    fraud.decide(decide(Decision.DECLINE))
    with pytest.raises(KeyReused):
        fraud.decide(decide(Decision.APPROVE))
    assert rows(database, screenings, "decision") == [("decline",)]


def test_a_decision_leaves_other_orders_alone(fraud: Fraud, database: Database) -> None:
    fraud.screen(screen(cents=LARGE))
    fraud.screen(screen(OTHER_ORDER, cents=LARGE))
    fraud.decide(decide(Decision.APPROVE))
    assert rows(database, screenings, "order_id", "decision") == [(ORDER, "approve"), (OTHER_ORDER, "")]
