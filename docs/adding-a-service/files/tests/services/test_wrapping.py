import pytest

from kernel.contracts import Undone
from kernel.errors import AlreadyUndone
from services.wrapping.books import WrappingBooks
from services.wrapping.contracts import WrapGift
from services.wrapping.service import Wrapping
from services.wrapping.tables import wrappings
from tests.databases import Databases, rows
from tests.services.samples import ORDER, OTHER_ORDER, key, undo


def wrap(order: str = ORDER) -> WrapGift:
    return WrapGift(key=key("wrap", order), order_id=order, pieces=3)


class Table:
    """Where gifts are wrapped, and what is on record of it."""

    def __init__(self, databases: Databases) -> None:
        self.database = databases.migrated("wrapping")
        self.wrapping = Wrapping(self.database)

    def wrapped(self) -> dict[str, int]:
        return dict(rows(self.database, wrappings, "order_id", "pieces"))

    def findings(self, order_id: str) -> list[str]:
        """What the audit has against this order, if it failed."""
        books = WrappingBooks(self.database, [order_id])
        return [one.invariant for one in (*books.contradictions(order_id), *books.kept(order_id))]


@pytest.fixture
def table(databases: Databases) -> Table:
    return Table(databases)


def test_a_repeat_wraps_nothing_twice(table: Table) -> None:
    assert table.wrapping.wrap(wrap()) == table.wrapping.wrap(wrap())
    assert table.wrapped() == {ORDER: 3}


def test_a_gift_is_unwrapped_and_others_are_left_alone(table: Table) -> None:
    table.wrapping.wrap(wrap())
    table.wrapping.wrap(wrap(OTHER_ORDER))
    assert table.wrapping.unwrap(undo("wrap")) == Undone(had_effect=True)
    assert table.wrapped() == {OTHER_ORDER: 3}


def test_a_gift_that_comes_after_its_undo_is_not_wrapped(table: Table) -> None:
    assert table.wrapping.unwrap(undo("wrap")) == Undone(had_effect=False)
    with pytest.raises(AlreadyUndone):
        table.wrapping.wrap(wrap())
    assert table.wrapped() == {}


def test_the_audit_finds_paper_that_stayed_on(table: Table) -> None:
    table.wrapping.wrap(wrap())
    assert table.findings(ORDER) == ["nothing wrapped"]
    table.wrapping.unwrap(undo("wrap"))
    assert table.findings(ORDER) == []


def test_the_audit_finds_a_row_that_no_operation_wrote(table: Table) -> None:
    with table.database.begin() as tx:
        tx.execute(wrappings.insert(), {"order_id": ORDER, "pieces": 1})
    assert table.findings(ORDER) == ["records agree with operations", "nothing wrapped"]
