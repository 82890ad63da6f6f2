"""The rules of fraud: amount, velocity by customer, and an address that does not fit the customer."""

from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, update

from kernel.contracts import Event
from kernel.database import Database
from kernel.errors import KeyReused
from kernel.operations import Clock, Operations, milliseconds, system_clock
from services.fraud.contracts import (
    DECLINED_IN_REVIEW,
    DecideOnFraud,
    Decision,
    FraudDecided,
    FraudLimits,
    Screened,
    ScreenOrder,
    TakenForFraud,
    Verdict,
)
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud
from services.fraud.tables import screenings

_HOUR = 3_600_000


class Fraud:
    def __init__(self, database: Database, limits: FraudLimits, clock: Clock = system_clock) -> None:
        self._database = database
        self._operations = Operations(database, clock)
        self._limits = limits
        self._clock = clock

    def screen(self, command: ScreenOrder) -> Screened:
        """Score the order by the rules. Raises TakenForFraud."""

        def effect(tx: Connection) -> tuple[Screened, NoFraudDetected | PossibleFraud]:
            scores = self._score(tx, command)
            screened = Screened(
                verdict=Verdict.POSSIBLE if sum(scores.values()) >= self._limits.possible_score else Verdict.CLEAR,
                score=sum(scores.values()),
                rules=tuple(scores),
            )
            if screened.score >= self._limits.confirmed_score:
                raise TakenForFraud(f"score {screened.score}: {', '.join(screened.rules)}")
            row: dict[str, Any] = {"order_id": command.order_id, "customer_id": command.customer_id}
            row |= {"country": command.country}
            row |= {"score": screened.score, "rules": ", ".join(screened.rules), "verdict": screened.verdict}
            tx.execute(insert(screenings), row | {"decision": "", "screened_at": milliseconds(self._clock())})
            if screened.verdict is Verdict.CLEAR:
                return screened, NoFraudDetected(score=screened.score)
            return screened, PossibleFraud(score=screened.score, rules=screened.rules)

        return self._operations.do(command, Screened, effect, refused=FraudConfirmed)

    def decide(self, command: DecideOnFraud) -> FraudDecided:
        """Record the decision on an order held as a possible fraud. A repeat may have a different note."""

        def effect(tx: Connection) -> tuple[FraudDecided, Event]:
            held = screenings.c.order_id == command.order_id
            tx.execute(update(screenings).where(held).values(decision=command.decision))
            score = tx.scalar(select(screenings.c.score).where(held)) or 0
            decided = FraudDecided(decision=command.decision)
            if command.decision is Decision.APPROVE:
                return decided, NoFraudDetected(score=score, reviewed=True, note=command.note, actor=command.actor)
            reason = ": ".join(filter(None, [DECLINED_IN_REVIEW, command.note]))
            return decided, FraudConfirmed(reason=reason, actor=command.actor)

        try:
            return self._operations.do(command, FraudDecided, effect)
        except KeyReused:
            if self._decided(command.order_id) != command.decision:
                raise
            return FraudDecided(decision=command.decision)

    def _decided(self, order_id: str) -> str | None:
        with self._database.begin() as tx:
            return tx.scalar(select(screenings.c.decision).where(screenings.c.order_id == order_id))

    def _score(self, tx: Connection, command: ScreenOrder) -> dict[str, int]:
        limits, scores = self._limits, dict[str, int]()
        if command.amount.amount >= limits.huge_amount:
            scores["huge amount"] = limits.huge_amount_score
        elif command.amount.amount >= limits.large_amount:
            scores["large amount"] = limits.large_amount_score

        of_customer = screenings.c.customer_id == command.customer_id
        an_hour_ago = milliseconds(self._clock()) - _HOUR
        lately, known, known_country = tx.execute(
            select(
                select(func.count()).where(of_customer, screenings.c.screened_at > an_hour_ago).scalar_subquery(),
                exists().where(of_customer),
                exists().where(of_customer, screenings.c.country == command.country),
            )
        ).one()
        if lately >= limits.orders_an_hour:
            scores["many orders within an hour"] = limits.velocity_score
        if known and not known_country:
            scores["a country new for this customer"] = limits.new_country_score
        return scores
