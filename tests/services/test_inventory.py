from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from kernel.contracts import Undone
from kernel.database import Database
from kernel.errors import AlreadyUndone, Outage
from services.inventory.contracts import NotEnoughStock, Reserved
from services.inventory.service import Inventory
from services.inventory.tables import reservations, stock
from tests.databases import Databases, rows
from tests.services.samples import KETTLE, MUG, ORDER, OTHER_ORDER, PRESS, reserve, stock_lines, undo
from tests.services.together import answer_of, at_once, wait_until_blocked

RECEIVED = {MUG: 10, PRESS: 3, KETTLE: 1}


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.migrated("inventory")


@pytest.fixture
def inventory(database: Database) -> Inventory:
    return stocked(database)


def stocked(database: Database) -> Inventory:
    inventory = Inventory(database)
    inventory.stock(stock_lines(RECEIVED))
    return inventory


def held(database: Database) -> list[tuple[str, str, int]]:
    return [(order, sku, pieces) for order, sku, pieces in rows(database, reservations, "order_id", "sku", "quantity")]


def assert_every_piece_is_accounted_for(database: Database) -> None:
    for sku, received, on_hand in rows(database, stock, "sku", "received", "on_hand"):
        reserved = sum(pieces for _order, of_sku, pieces in held(database) if of_sku == sku)
        assert on_hand + reserved == received == RECEIVED[sku]
        assert on_hand >= 0


def test_what_is_reserved_is_not_on_hand_any_more(inventory: Inventory, database: Database) -> None:
    inventory.reserve(reserve({MUG: 4, PRESS: 1}))
    assert inventory.on_hand() == {MUG: 6, PRESS: 2, KETTLE: 1}
    assert held(database) == [(ORDER, PRESS, 1), (ORDER, MUG, 4)]
    assert_every_piece_is_accounted_for(database)


def test_the_last_piece_can_be_reserved(inventory: Inventory) -> None:
    inventory.reserve(reserve({KETTLE: 1}))
    assert inventory.on_hand()[KETTLE] == 0


def test_more_than_is_on_hand_is_refused_and_says_how_many_are_left(inventory: Inventory, database: Database) -> None:
    with pytest.raises(NotEnoughStock, match="french-press: 4 wanted, 3 on hand"):
        inventory.reserve(reserve({PRESS: 4}))
    assert inventory.on_hand() == RECEIVED
    assert held(database) == []


def test_a_product_that_was_never_received_is_out_of_stock(inventory: Inventory) -> None:
    with pytest.raises(NotEnoughStock, match="unicorn: 1 wanted, 0 on hand"):
        inventory.reserve(reserve({"unicorn": 1}))


@pytest.mark.parametrize("missing", [KETTLE, PRESS, MUG])
def test_an_order_gets_every_line_or_none(inventory: Inventory, database: Database, missing: str) -> None:
    wanted = dict.fromkeys(RECEIVED, 1) | {missing: RECEIVED[missing] + 1}
    with pytest.raises(NotEnoughStock, match=missing):
        inventory.reserve(reserve(wanted))
    assert inventory.on_hand() == RECEIVED
    assert held(database) == []


def test_a_repeat_takes_nothing_more(inventory: Inventory, database: Database) -> None:
    for _ in range(3):
        assert inventory.reserve(reserve({MUG: 4})) == Reserved()
    assert inventory.on_hand()[MUG] == 6
    assert held(database) == [(ORDER, MUG, 4)]


def test_an_order_once_out_of_stock_stays_so_when_stock_comes_back(inventory: Inventory) -> None:
    inventory.reserve(reserve({KETTLE: 1}))
    with pytest.raises(NotEnoughStock):
        inventory.reserve(reserve({KETTLE: 1}, OTHER_ORDER))
    inventory.release(undo("reserve"))
    with pytest.raises(NotEnoughStock, match="1 wanted, 0 on hand"):
        inventory.reserve(reserve({KETTLE: 1}, OTHER_ORDER))
    assert inventory.on_hand() == RECEIVED


def test_what_is_released_is_on_the_shelf_again(inventory: Inventory, database: Database) -> None:
    inventory.reserve(reserve({MUG: 4, KETTLE: 1}))
    assert inventory.release(undo("reserve")) == Undone(had_effect=True)
    assert inventory.on_hand() == RECEIVED
    assert held(database) == []


def test_a_release_twice_puts_back_once(inventory: Inventory) -> None:
    inventory.reserve(reserve({MUG: 4}))
    for _ in range(2):
        assert inventory.release(undo("reserve")) == Undone(had_effect=True)
    assert inventory.on_hand() == RECEIVED


def test_a_release_leaves_other_orders_alone(inventory: Inventory, database: Database) -> None:
    inventory.reserve(reserve({MUG: 4}))
    inventory.reserve(reserve({MUG: 5}, OTHER_ORDER))
    inventory.release(undo("reserve"))
    assert held(database) == [(OTHER_ORDER, MUG, 5)]
    assert_every_piece_is_accounted_for(database)


def test_a_reservation_that_comes_after_its_release_takes_nothing(inventory: Inventory) -> None:
    assert inventory.release(undo("reserve")) == Undone(had_effect=False)
    with pytest.raises(AlreadyUndone):
        inventory.reserve(reserve({MUG: 4}))
    assert inventory.on_hand() == RECEIVED


def test_a_release_of_what_was_out_of_stock_puts_nothing_back(inventory: Inventory) -> None:
    answer_of(lambda: inventory.reserve(reserve({KETTLE: 2})))
    assert inventory.release(undo("reserve")) == Undone(had_effect=False)
    assert inventory.on_hand() == RECEIVED


def test_stock_is_received_once_however_often_the_service_starts(inventory: Inventory, database: Database) -> None:
    inventory.reserve(reserve({MUG: 4}))
    inventory.stock(stock_lines(RECEIVED))
    assert inventory.on_hand()[MUG] == 6
    assert_every_piece_is_accounted_for(database)


def test_services_that_start_at_the_same_moment_receive_stock_once(databases: Databases) -> None:
    shelves = {f"sku-{number}": number for number in range(50)}
    databases.migrated("inventory")
    starting = [Inventory(databases.open("inventory")) for _ in range(4)]
    at_once(*[partial(inventory.stock, stock_lines(shelves)) for inventory in starting])
    assert starting[0].on_hand() == shelves


def test_the_database_itself_keeps_stock_from_going_below_zero(inventory: Inventory, database: Database) -> None:
    with pytest.raises(IntegrityError), database.begin() as tx:
        tx.execute(update(stock).values(on_hand=-1))


def test_two_orders_never_take_the_same_last_item(databases: Databases) -> None:
    database = databases.migrated("inventory")
    stocked(database)
    workers = [Inventory(databases.open("inventory")) for _ in range(4)]
    answers = at_once(
        *[partial(worker.reserve, reserve({KETTLE: 1}, f"order-{number}")) for number, worker in enumerate(workers)]
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["NotEnoughStock"] * 3 + ["Reserved"]
    assert_every_piece_is_accounted_for(database)


def test_orders_for_the_same_products_do_not_deadlock_whatever_the_order_of_their_lines(
    postgresql_databases: Databases,
) -> None:
    database = postgresql_databases.migrated("inventory")
    inventory = stocked(database)
    with ThreadPoolExecutor(2) as threads, database.begin() as tx:
        tx.execute(select(stock.c.sku).where(stock.c.sku == PRESS).with_for_update())
        one = threads.submit(inventory.reserve, reserve({PRESS: 1, MUG: 1}))
        wait_until_blocked(database, 1)
        other = threads.submit(inventory.reserve, reserve({MUG: 1, PRESS: 1}, OTHER_ORDER))
        wait_until_blocked(database, 2)
    assert one.result() == other.result() == Reserved()
    assert_every_piece_is_accounted_for(database)


def test_orders_that_come_and_go_at_the_same_moment_lose_no_piece(databases: Databases) -> None:
    database = databases.migrated("inventory")
    stocked(database)

    def come_and_go(order: str) -> Undone:
        worker = Inventory(databases.open("inventory"))
        answer_of(lambda: worker.reserve(reserve({PRESS: 2, KETTLE: 1}, order)))
        return worker.release(undo("reserve", order))

    at_once(*[partial(come_and_go, f"order-{number}") for number in range(4)])
    assert held(database) == []
    assert stocked(database).on_hand() == RECEIVED


def test_two_attempts_of_one_order_for_the_last_item_get_the_same_answer(postgresql_databases: Databases) -> None:
    """The slower attempt finds the shelf emptied by its own twin, which is no reason to call it out of stock."""
    database = postgresql_databases.migrated("inventory")
    inventory = stocked(database)
    attempt = partial(inventory.reserve, reserve({KETTLE: 1}))
    with ThreadPoolExecutor(2) as threads, database.begin() as tx:
        tx.execute(select(stock.c.sku).where(stock.c.sku == KETTLE).with_for_update())
        attempts = [threads.submit(answer_of, attempt) for _ in range(2)]
        wait_until_blocked(database, 2)
    answers = [each.result() for each in attempts]
    assert all(isinstance(answer, Reserved | Outage) for answer in answers), answers
    assert attempt() == Reserved()
    assert held(database) == [(ORDER, KETTLE, 1)]
