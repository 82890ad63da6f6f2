from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import Connection, insert

from kernel.contracts import Undone
from kernel.database import Database
from kernel.errors import AlreadyUndone, CannotUndo, KeyReused, Outage, Refusal
from kernel.operations import Operations, operations
from kernel.outbox import outbox
from services.inventory.contracts import NotEnoughStock, Reserved, ReserveStock
from services.inventory.events import OutOfStock, StockReleased, StockReserved
from services.inventory.tables import reservations
from tests.databases import Databases, rows
from tests.services.samples import KETTLE, MUG, NOON, ORDER, OTHER_ORDER, Clock, reserve, undo
from tests.services.together import answer_of, asked_again, at_once

TWO_MUGS = {MUG: 2}
NOTHING = StockReleased(had_effect=False)


class Shelf:
    """The smallest service there is: each operation writes a reservation, and nothing else."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._operations = Operations(database, Clock())

    def take(self, command: ReserveStock) -> Reserved:
        return self.take_after(lambda: None, command)

    def take_after(self, pause: Callable[[], object], command: ReserveStock) -> Reserved:
        """With a pause inside the transaction, after its record was looked for and before its effect."""

        def effect(tx: Connection) -> tuple[Reserved, StockReserved]:
            pause()
            self._write(tx, command)
            return Reserved(), StockReserved(lines=command.lines)

        return self._operations.do(command, Reserved, effect)

    def refuse(self, command: ReserveStock) -> Reserved:
        def effect(tx: Connection) -> tuple[Reserved, StockReserved]:
            self._write(tx, command)
            raise NotEnoughStock("none left")

        return self._operations.do(command, Reserved, effect)

    def refuse_after(self, pause: Callable[[], object], command: ReserveStock) -> Reserved:
        def effect(_tx: Connection) -> tuple[Reserved, StockReserved]:
            pause()
            raise NotEnoughStock("none left any more")

        return self._operations.do(command, Reserved, effect)

    def put_back(self, order: str = ORDER) -> Undone:
        return self._operations.undo(undo("reserve", order), lambda tx: self._clear(tx, order), otherwise=NOTHING)

    def refuse_to_put_back(self) -> Undone:
        def effect(tx: Connection) -> StockReleased:
            self._clear(tx, ORDER)
            raise CannotUndo("the shelf is locked")

        return self._operations.undo(undo("reserve"), effect, otherwise=NOTHING)

    def order(self, command: ReserveStock, ask: Callable[[], str]) -> Reserved:
        """From a supplier, who is asked."""

        def effect(tx: Connection, supplier: str) -> tuple[Reserved, StockReserved]:
            assert supplier == "supplied"
            self._write(tx, command)
            return Reserved(), StockReserved(lines=command.lines)

        return self._operations.ask_then_do(command, Reserved, ask, effect, refused=OutOfStock)

    def taken(self) -> list[tuple[str, str, int]]:
        return [(order, sku, quantity) for order, sku, quantity in rows(self.database, reservations, *_COLUMNS)]

    @staticmethod
    def _write(tx: Connection, command: ReserveStock) -> None:
        lines = [line.model_dump() | {"order_id": command.order_id} for line in command.lines]
        tx.execute(insert(reservations), lines)

    @staticmethod
    def _clear(tx: Connection, order: str) -> StockReleased:
        tx.execute(reservations.delete().where(reservations.c.order_id == order))
        return StockReleased(had_effect=True)


_COLUMNS = ("order_id", "sku", "quantity")


@pytest.fixture
def shelf(databases: Databases) -> Shelf:
    return Shelf(databases.migrated("inventory"))


@pytest.fixture
def busy_shelf(postgresql_databases: Databases) -> Shelf:
    """Where two transactions can be under way at the same time."""
    return Shelf(postgresql_databases.migrated("inventory"))


def test_a_repeat_gets_the_first_answer_and_has_no_effect(shelf: Shelf) -> None:
    first = shelf.take(reserve(TWO_MUGS))
    assert shelf.take(reserve(TWO_MUGS)) == first
    assert shelf.taken() == [(ORDER, MUG, 2)]


def test_a_repeat_after_a_restart_gets_the_first_answer(databases: Databases) -> None:
    Shelf(databases.migrated("inventory")).take(reserve(TWO_MUGS))
    restarted = Shelf(databases.migrated("inventory"))
    restarted.take(reserve(TWO_MUGS))
    assert restarted.taken() == [(ORDER, MUG, 2)]


def test_a_refusal_keeps_nothing_that_its_operation_wrote(shelf: Shelf) -> None:
    with pytest.raises(NotEnoughStock):
        shelf.refuse(reserve(TWO_MUGS))
    assert shelf.taken() == []


def test_a_repeat_gets_the_first_refusal_even_when_it_could_be_done_by_now(shelf: Shelf) -> None:
    with pytest.raises(NotEnoughStock, match="none left"):
        shelf.refuse(reserve(TWO_MUGS))
    with pytest.raises(NotEnoughStock, match="none left"):
        shelf.take(reserve(TWO_MUGS))
    assert shelf.taken() == []


def test_a_provider_is_asked_outside_of_any_transaction(databases: Databases) -> None:
    shelf, another = Shelf(databases.migrated("inventory")), Shelf(databases.migrated("inventory"))

    def ask() -> str:
        another.take(reserve(TWO_MUGS, OTHER_ORDER))  # which would wait for a transaction of ours
        return "supplied"

    assert shelf.order(reserve(TWO_MUGS), ask) == Reserved()
    assert shelf.taken() == [(ORDER, MUG, 2), (OTHER_ORDER, MUG, 2)]


def test_a_provider_is_not_asked_for_what_is_answered(shelf: Shelf) -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("for mugs")
        return "supplied"

    def say_no() -> str:
        ask()
        raise NotEnoughStock("none to be had")

    assert shelf.order(reserve(TWO_MUGS), ask) == shelf.order(reserve(TWO_MUGS), say_no) == Reserved()
    for answer in (say_no, ask):
        with pytest.raises(NotEnoughStock, match="none to be had"):
            shelf.order(reserve(TWO_MUGS, OTHER_ORDER), answer)
    assert len(asked) == 2
    assert shelf.taken() == [(ORDER, MUG, 2)]
    assert rows(shelf.database, outbox, "type") == [("OutOfStock",), ("StockReserved",)]


def test_a_provider_that_does_not_answer_is_asked_again(shelf: Shelf) -> None:
    def fail() -> str:
        raise Outage("nobody answers")

    with pytest.raises(Outage):
        shelf.order(reserve(TWO_MUGS), fail)
    assert shelf.order(reserve(TWO_MUGS), lambda: "supplied") == Reserved()
    assert shelf.taken() == [(ORDER, MUG, 2)]


def test_a_key_cannot_be_used_for_something_else(shelf: Shelf) -> None:
    shelf.take(reserve(TWO_MUGS))
    with pytest.raises(KeyReused, match=f"{ORDER}:reserve"):
        shelf.take(reserve({KETTLE: 1}))
    assert shelf.taken() == [(ORDER, MUG, 2)]


def test_a_refused_key_cannot_be_used_for_something_else(shelf: Shelf) -> None:
    answer_of(lambda: shelf.refuse(reserve(TWO_MUGS)))
    with pytest.raises(KeyReused):
        shelf.take(reserve({KETTLE: 1}))


def test_the_first_answer_outlives_a_reused_key(shelf: Shelf) -> None:
    first = shelf.take(reserve(TWO_MUGS))
    answer_of(lambda: shelf.take(reserve({KETTLE: 1})))
    assert shelf.take(reserve(TWO_MUGS)) == first


def test_keys_do_not_meddle_with_each_other(shelf: Shelf) -> None:
    shelf.take(reserve(TWO_MUGS))
    shelf.take(reserve(TWO_MUGS, OTHER_ORDER))
    assert shelf.put_back() == Undone(had_effect=True)
    assert shelf.taken() == [(OTHER_ORDER, MUG, 2)]


def test_an_undo_takes_back_what_was_done(shelf: Shelf) -> None:
    shelf.take(reserve(TWO_MUGS))
    assert shelf.put_back() == Undone(had_effect=True)
    assert shelf.taken() == []


def test_an_undo_twice_gets_the_first_answer(shelf: Shelf) -> None:
    shelf.take(reserve(TWO_MUGS))
    first = shelf.put_back()
    assert shelf.put_back() == first == Undone(had_effect=True)


def test_an_undo_of_what_never_was_leaves_a_tombstone_that_refuses_the_late_operation(shelf: Shelf) -> None:
    assert shelf.put_back() == Undone(had_effect=False)
    with pytest.raises(AlreadyUndone):
        shelf.take(reserve(TWO_MUGS))
    assert shelf.taken() == []


def test_a_tombstone_stays_however_often_it_is_met(shelf: Shelf) -> None:
    shelf.put_back()
    for _ in range(2):
        with pytest.raises(AlreadyUndone):
            shelf.take(reserve(TWO_MUGS))
        assert shelf.put_back() == Undone(had_effect=False)
    assert shelf.taken() == []


def test_an_operation_that_was_undone_is_not_done_again(shelf: Shelf) -> None:
    shelf.take(reserve(TWO_MUGS))
    shelf.put_back()
    with pytest.raises(AlreadyUndone):
        shelf.take(reserve(TWO_MUGS))
    assert shelf.taken() == []


def test_an_undo_of_a_refused_operation_has_no_effect_and_closes_it(shelf: Shelf) -> None:
    answer_of(lambda: shelf.refuse(reserve(TWO_MUGS)))
    assert shelf.put_back() == Undone(had_effect=False)
    with pytest.raises(AlreadyUndone):
        shelf.take(reserve(TWO_MUGS))


def test_an_undo_that_is_refused_changes_nothing_and_can_be_tried_again(shelf: Shelf) -> None:
    shelf.take(reserve(TWO_MUGS))
    for _ in range(2):
        with pytest.raises(CannotUndo):
            shelf.refuse_to_put_back()
    assert shelf.taken() == [(ORDER, MUG, 2)]
    assert shelf.put_back() == Undone(had_effect=True)
    assert shelf.taken() == []


def test_a_bug_in_the_effect_leaves_no_answer_behind(shelf: Shelf) -> None:
    def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shelf.take_after(bug, reserve(TWO_MUGS))
    assert shelf.taken() == []
    shelf.take(reserve(TWO_MUGS))
    assert shelf.taken() == [(ORDER, MUG, 2)]


def test_an_answer_is_recorded_at_the_time_of_the_clock_passed_in(shelf: Shelf) -> None:
    shelf.take(reserve(TWO_MUGS))
    assert rows(shelf.database, operations, "key", "recorded_at") == [
        (f"{ORDER}:reserve", int(NOON.timestamp()) * 1000)
    ]


def test_of_many_at_the_same_moment_with_the_same_key_one_has_the_effect(shelf: Shelf) -> None:
    answers = at_once(*[lambda: shelf.take(reserve(TWO_MUGS))] * 4)
    assert all(isinstance(answer, Reserved | Outage) for answer in answers)
    assert Reserved() in answers
    assert shelf.take(reserve(TWO_MUGS)) == Reserved()
    assert shelf.taken() == [(ORDER, MUG, 2)]


def test_an_undo_and_its_operation_at_the_same_moment_leave_nothing(shelf: Shelf) -> None:
    for order in (f"order-{number}" for number in range(5)):
        at_once(partial(shelf.take, reserve(TWO_MUGS, order)), partial(asked_again, partial(shelf.put_back, order)))
    assert shelf.taken() == []


def test_who_loses_the_race_for_a_key_gets_an_outage_and_then_the_first_answer(busy_shelf: Shelf) -> None:
    both_inside = Barrier(2, timeout=20)
    racing = [lambda: busy_shelf.take_after(both_inside.wait, reserve(TWO_MUGS))] * 2
    answers = at_once(*racing)
    assert sorted(type(answer).__name__ for answer in answers) == ["Outage", "Reserved"]
    assert busy_shelf.take(reserve(TWO_MUGS)) == Reserved()
    assert busy_shelf.taken() == [(ORDER, MUG, 2)]


def test_an_undo_that_comes_while_its_operation_is_under_way_wins_when_both_ask_again(busy_shelf: Shelf) -> None:
    with ThreadPoolExecutor(1) as another:
        undoing: list[Future[Undone | Refusal]] = []

        def begin_to_undo() -> None:
            undoing.append(another.submit(asked_again, busy_shelf.put_back))

        answer_of(lambda: busy_shelf.take_after(begin_to_undo, reserve(TWO_MUGS)))
        assert isinstance(undoing[0].result(), Undone)
    with pytest.raises(AlreadyUndone):
        busy_shelf.take(reserve(TWO_MUGS))
    assert busy_shelf.taken() == []


def test_an_operation_overtaken_by_its_undo_has_no_effect(busy_shelf: Shelf) -> None:
    with pytest.raises(Outage):
        busy_shelf.take_after(busy_shelf.put_back, reserve(TWO_MUGS))
    with pytest.raises(AlreadyUndone):
        busy_shelf.take(reserve(TWO_MUGS))
    assert busy_shelf.taken() == []


def test_a_refusal_overtaken_by_its_undo_says_that_it_was_undone(busy_shelf: Shelf) -> None:
    with pytest.raises(AlreadyUndone):
        busy_shelf.refuse_after(busy_shelf.put_back, reserve(TWO_MUGS))


def test_a_refusal_overtaken_by_the_same_operation_done_gives_its_answer(busy_shelf: Shelf) -> None:
    """The first answer on record is the answer, whatever this attempt would have said."""
    command = reserve(TWO_MUGS)
    answer = answer_of(lambda: busy_shelf.refuse_after(lambda: busy_shelf.take(command), command))
    assert answer == Reserved()
    assert busy_shelf.taken() == [(ORDER, MUG, 2)]


def test_a_refusal_overtaken_by_another_refusal_gives_the_first(busy_shelf: Shelf) -> None:
    command = reserve(TWO_MUGS)
    with pytest.raises(NotEnoughStock, match=r"none left$"):
        busy_shelf.refuse_after(lambda: answer_of(lambda: busy_shelf.refuse(command)), command)
    with pytest.raises(NotEnoughStock, match=r"none left$"):
        busy_shelf.take(command)
