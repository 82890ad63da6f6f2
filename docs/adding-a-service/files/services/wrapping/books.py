"""The books of wrapping: the orders that have their paper on."""

from collections.abc import Iterator

from sqlalchemy import select

from kernel.books import Books, Finding, effects
from kernel.database import Database
from services.wrapping.tables import wrappings


class WrappingBooks(Books):
    def __init__(self, database: Database) -> None:
        with database.begin() as tx:
            self._effects = effects(tx, "wrap")
            self._wrapped = set(tx.scalars(select(wrappings.c.order_id)))

    def orders(self) -> set[str]:
        return self._wrapped | self._effects.stands.keys()

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        is_wrapped = order_id in self._wrapped
        # Unwrapping deletes the row, so an unwrapped order looks like one that was never wrapped.
        was_undone = not self._effects.stands.get(order_id, True)
        yield from self._effects.contradictions(order_id, on_record=is_wrapped or was_undone, stands=is_wrapped)

    def kept(self, order_id: str) -> Iterator[Finding]:
        if order_id in self._wrapped:
            yield Finding("nothing wrapped", "the paper is still on")
