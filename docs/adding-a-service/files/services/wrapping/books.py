"""The books of wrapping: the orders that have their paper on."""

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from kernel.books import Books, Finding, effects, orders_on_record
from kernel.database import Database
from services.wrapping.tables import wrappings


class WrappingBooks(Books):
    def __init__(self, database: Database, orders: Sequence[str]) -> None:
        self._database = database
        with database.begin() as tx:
            self._effects = effects(tx, "wrap", orders)
            self._wrapped = set(tx.scalars(select(wrappings.c.order_id).where(wrappings.c.order_id.in_(orders))))

    def orders(self, since: int = 0) -> Iterator[str]:
        return orders_on_record(self._database, since)

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        is_wrapped = order_id in self._wrapped
        # Unwrapping deletes the row, so an unwrapped order looks like one that was never wrapped.
        was_undone = not self._effects.stands.get(order_id, True)
        yield from self._effects.contradictions(order_id, on_record=is_wrapped or was_undone, stands=is_wrapped)

    def kept(self, order_id: str) -> Iterator[Finding]:
        if order_id in self._wrapped:
            yield Finding("nothing wrapped", "the paper is still on")
