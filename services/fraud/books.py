"""The books of fraud: whom the rules, or a person, have cleared."""

from collections.abc import Iterator

from sqlalchemy import select

from kernel.books import Books, Finding, OrderRecord, effects
from kernel.database import Database
from services.fraud.contracts import Decision, Verdict
from services.fraud.tables import screenings


class FraudBooks(Books):
    def __init__(self, database: Database) -> None:
        with database.begin() as tx:
            self._screened = effects(tx, "screen")
            rows = tx.execute(select(screenings.c.order_id, screenings.c.verdict, screenings.c.decision))
            self._cleared = {
                row.order_id: row.decision == Decision.APPROVE if row.decision else row.verdict == Verdict.CLEAR
                for row in rows
            }

    def orders(self) -> set[str]:
        return self._cleared.keys() | self._screened.stands.keys()

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        on_record = order_id in self._cleared
        yield from self._screened.contradictions(order_id, on_record=on_record, stands=on_record)

    def missing(self, order_id: str, order: OrderRecord) -> Iterator[Finding]:
        if not self._cleared.get(order_id, False):
            yield Finding("shipped only when cleared of fraud", "neither cleared nor approved")
