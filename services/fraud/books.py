"""The books of fraud: the orders that the rules, or a person, have cleared."""

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from kernel.books import Books, Finding, OrderRecord, effects, orders_on_record, otherwise_published, published
from kernel.database import Database
from services.fraud.contracts import Decision, Verdict
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud
from services.fraud.tables import screenings


class FraudBooks(Books):
    def __init__(self, database: Database, orders: Sequence[str]) -> None:
        self._database = database
        with database.begin() as tx:
            self._screened = effects(tx, "screen", orders)
            self._decided = effects(tx, "decide", orders)
            self._clear = published(tx, NoFraudDetected, orders)
            self._possible = published(tx, PossibleFraud, orders)
            self._confirmed = published(tx, FraudConfirmed, orders)
            rows = tx.execute(select(screenings).where(screenings.c.order_id.in_(orders))).all()
            self._rows = {row.order_id: row for row in rows}
            self._cleared = {
                row.order_id: row.decision == Decision.APPROVE if row.decision else row.verdict == Verdict.CLEAR
                for row in rows
            }

    def orders(self, since: int = 0) -> Iterator[str]:
        return orders_on_record(self._database, since)

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        on_record = order_id in self._cleared
        yield from self._screened.contradictions(order_id, on_record=on_record, stands=on_record)
        if on_record:
            yield from self._otherwise(order_id)

    def _otherwise(self, order_id: str) -> Iterator[Finding]:
        row, clear = self._rows[order_id], self._clear.get(order_id, [])
        decided = bool(row.decision)
        yield from self._decided.contradictions(order_id, on_record=decided, stands=decided)
        scores = [event.score for event in self._possible.get(order_id, [])] + [event.score for event in clear]
        for score in scores:
            yield from otherwise_published("score", row.score, score)
        if order_id in self._possible:
            yield from otherwise_published("verdict", row.verdict, Verdict.POSSIBLE)
            if decided:
                declined = order_id in self._confirmed
                yield from otherwise_published(
                    "decision", row.decision == Decision.APPROVE, bool(clear) and not declined
                )
        elif clear and not clear[0].reviewed:
            yield from otherwise_published("verdict", row.verdict, Verdict.CLEAR)

    def missing(self, order_id: str, order: OrderRecord) -> Iterator[Finding]:
        if not self._cleared.get(order_id, False):
            yield Finding("shipped only when cleared of fraud", "neither cleared nor approved")

    def waits_for_a_person(self, order_id: str) -> bool:
        row = self._rows.get(order_id)
        return row is not None and row.verdict == Verdict.POSSIBLE and not row.decision
