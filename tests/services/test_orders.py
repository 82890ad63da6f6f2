from functools import partial
from typing import TypeVar

import pytest

from kernel.contracts import Command, Event, Policy, Style, Undone
from kernel.database import Database
from kernel.envelope import new_event
from kernel.errors import AlreadyUndone, CannotUndo, KeyReused, TooLate
from kernel.outbox import outbox
from services.orders.contracts import (
    Completed,
    CompleteOrder,
    Created,
    FlagOrder,
    OrderEnded,
    OrderStatus,
    UnknownSku,
)
from services.orders.events import ENDS
from services.orders.service import Orders
from services.orders.tables import order_lines
from services.orders.tables import orders as orders_table
from tests.databases import Databases, rows
from tests.services.samples import (
    CUSTOMER,
    MUG,
    MUG_PRICE,
    NOON,
    ORDER,
    OTHER_ORDER,
    PRESS,
    PRESS_PRICE,
    Clock,
    create,
    euros,
    product,
    undo,
)
from tests.services.together import answer_of, asked_again, at_once

C = TypeVar("C", bound=Command)

CATALOGUE = [product(PRESS, PRESS_PRICE), product(MUG, MUG_PRICE)]
COMPLETE = CompleteOrder(key=f"{ORDER}:complete", order_id=ORDER)


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.migrated("orders")


@pytest.fixture
def orders(database: Database) -> Orders:
    orders = Orders(database, Clock())
    orders.offer(CATALOGUE)
    return orders


def status(database: Database) -> dict[str, str]:
    return dict(rows(database, orders_table, "order_id", "status"))


def flag(problem: str, settled: str = "", sequence: int = 0) -> FlagOrder:
    return FlagOrder(key=f"{ORDER}:flag", order_id=ORDER, problem=problem, settled=settled, sequence=sequence)


def choreographed(command: C) -> C:
    return command.model_copy(update={"style": Style.CHOREOGRAPHY})


def ended_by_hand(ended: OrderStatus, reason: str = "") -> FlagOrder:
    return FlagOrder(key=f"{ORDER}:flag", order_id=ORDER, problem="", settled="by phone", ended=ended, reason=reason)


def published(database: Database) -> list[str]:
    return [kind for _, kind in rows(database, outbox, "position", "type")]


def test_an_order_costs_what_the_catalogue_says(orders: Orders, database: Database) -> None:
    created = orders.create(create({MUG: 3, PRESS: 1}))
    assert created == Created(total=euros(3 * MUG_PRICE + PRESS_PRICE))
    assert rows(database, orders_table, "order_id", "status", "total", "currency") == [
        (ORDER, "in-progress", 3 * MUG_PRICE + PRESS_PRICE, "EUR")
    ]
    assert rows(database, order_lines, "order_id", "sku", "quantity", "unit_price") == [
        (ORDER, PRESS, 1, PRESS_PRICE),
        (ORDER, MUG, 3, MUG_PRICE),
    ]


def test_an_order_is_on_record_with_who_where_and_when(orders: Orders, database: Database) -> None:
    command = create({MUG: 1})
    orders.create(command)
    assert rows(database, orders_table, "customer_id", "ship_to", "placed_at") == [
        (CUSTOMER, command.ship_to.model_dump_json(), int(NOON.timestamp()) * 1000)
    ]


def test_the_dearest_order_that_can_be_sent_is_priced_to_the_cent(orders: Orders) -> None:
    dearest = 2**31
    orders.offer(product(f"villa-{number}", dearest) for number in range(100))
    created = orders.create(create({f"villa-{number}": 9_999 for number in range(100)}))
    assert created.total == euros(100 * 9_999 * dearest)


def test_what_is_not_in_the_catalogue_is_refused_by_name(orders: Orders, database: Database) -> None:
    with pytest.raises(UnknownSku, match=r"not in the catalogue: griffin, unicorn$"):
        orders.create(create({"unicorn": 1, MUG: 1, "griffin": 1}))
    assert status(database) == {}


def test_an_order_refused_once_is_refused_also_when_the_product_is_offered_later(orders: Orders) -> None:
    answer_of(lambda: orders.create(create({"unicorn": 1})))
    orders.offer([product("unicorn", 100)])
    with pytest.raises(UnknownSku, match="unicorn"):
        orders.create(create({"unicorn": 1}))


def test_a_repeat_by_a_version_that_knows_no_policy_is_the_same_request(orders: Orders) -> None:
    first = orders.create(create({MUG: 1}).model_copy(update={"policy": Policy()}))
    assert orders.create(create({MUG: 1})) == first


def test_a_repeat_gets_the_first_price(orders: Orders, database: Database) -> None:
    first = orders.create(create({MUG: 3}))
    assert orders.create(create({MUG: 3})) == first
    assert len(rows(database, orders_table, "order_id")) == 1


def test_another_order_under_the_same_key_is_refused(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 3}))
    with pytest.raises(KeyReused):
        orders.create(create({MUG: 4}))
    assert rows(database, order_lines, "sku", "quantity") == [(MUG, 3)]


def test_a_product_keeps_the_price_it_was_first_offered_at(orders: Orders) -> None:
    orders.offer([product(MUG, 1), product("unicorn", 100)])
    assert orders.catalogue() == [product(PRESS, PRESS_PRICE), product(MUG, MUG_PRICE), product("unicorn", 100)]


def test_services_that_start_at_the_same_moment_offer_each_product_once(databases: Databases) -> None:
    catalogue = [product(f"sku-{number:02}", number) for number in range(50)]
    databases.migrated("orders")
    starting = [Orders(databases.open("orders")) for _ in range(4)]
    at_once(*[partial(orders.offer, catalogue) for orders in starting])
    assert starting[0].catalogue() == catalogue


def test_a_completed_order_is_completed(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    for _ in range(2):
        assert orders.complete(COMPLETE) == Completed()
    assert status(database) == {ORDER: "completed"}


@pytest.mark.parametrize(("verb", "ending"), [("reject", "rejected"), ("cancel", "cancelled")])
def test_an_order_taken_back_says_how_and_why(orders: Orders, database: Database, verb: str, ending: str) -> None:
    orders.create(create({MUG: 1}))
    for _ in range(2):
        assert getattr(orders, verb)(undo("create")) == Undone(had_effect=True)
    assert rows(database, orders_table, "status", "reason") == [(ending, "the order failed")]


def test_a_completed_order_is_not_begun_again(orders: Orders, database: Database) -> None:
    """As by a second saga, once Temporal has forgotten the first."""
    orders.create(create({MUG: 1}))
    orders.complete(COMPLETE)
    with pytest.raises(OrderEnded, match="completed already"):
        orders.create(create({MUG: 1}))
    assert rows(database, orders_table, "status", "reason") == [("completed", "")]


def test_the_saga_that_completed_an_order_may_create_it_again(orders: Orders) -> None:
    """As when its worker died before the server knew of any of it."""
    mine = create({MUG: 1}).model_copy(update={"saga": "mine"})
    created = orders.create(mine)
    orders.complete(COMPLETE)
    assert orders.create(mine) == created
    with pytest.raises(OrderEnded):
        orders.create(mine.model_copy(update={"saga": "another"}))


def test_a_withheld_completion_is_refused_unless_the_customer_has_the_parcel_after_all(
    orders: Orders, database: Database
) -> None:
    orders.create(create({MUG: 1}))
    for _ in range(2):
        assert orders.withhold(undo("complete")) == Undone(had_effect=False)
    with pytest.raises(AlreadyUndone):
        orders.complete(COMPLETE)
    assert status(database) == {ORDER: "in-progress"}
    for _ in range(2):
        orders.complete(COMPLETE.model_copy(update={"after_all": True}))
    assert status(database) == {ORDER: "completed"}


def test_a_completed_order_is_not_withheld(orders: Orders) -> None:
    orders.create(create({MUG: 1}))
    orders.complete(COMPLETE)
    with pytest.raises(TooLate):
        orders.withhold(undo("complete"))
    assert orders.complete(COMPLETE.model_copy(update={"after_all": True})) == Completed()


def test_a_withheld_completion_may_be_settled_by_hand(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    orders.withhold(undo("complete"))
    orders.flag(ended_by_hand(OrderStatus.COMPLETED))
    assert status(database) == {ORDER: "completed"}


@pytest.mark.parametrize("verb", ["reject", "cancel"])
def test_a_completed_order_cannot_be_taken_back(orders: Orders, database: Database, verb: str) -> None:
    orders.create(create({MUG: 1}))
    orders.complete(COMPLETE)
    for _ in range(2):
        with pytest.raises(CannotUndo, match="completed"):
            getattr(orders, verb)(undo("create"))
    assert rows(database, orders_table, "status", "reason") == [("completed", "")]


@pytest.mark.parametrize(("verb", "ending"), [("reject", "rejected"), ("cancel", "cancelled")])
def test_an_order_taken_back_cannot_be_completed(orders: Orders, database: Database, verb: str, ending: str) -> None:
    orders.create(create({MUG: 1}))
    getattr(orders, verb)(undo("create"))
    for _ in range(2):
        with pytest.raises(OrderEnded):
            orders.complete(COMPLETE)
    assert status(database) == {ORDER: ending}


def test_a_rejected_order_is_not_cancelled_as_well(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    orders.reject(undo("create"))
    orders.cancel(undo("create"))
    assert status(database) == {ORDER: "rejected"}


def test_an_order_that_was_never_created_cannot_be_completed(orders: Orders) -> None:
    with pytest.raises(OrderEnded):
        orders.complete(COMPLETE)


def test_an_order_that_comes_after_it_was_taken_back_is_not_created(orders: Orders, database: Database) -> None:
    assert orders.reject(undo("create")) == Undone(had_effect=False)
    with pytest.raises(AlreadyUndone):
        orders.create(create({MUG: 1}))
    assert status(database) == {}


def test_taking_back_leaves_other_orders_alone(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    orders.create(create({MUG: 1}, OTHER_ORDER))
    orders.cancel(undo("create"))
    assert status(database) == {ORDER: "cancelled", OTHER_ORDER: "in-progress"}


def test_an_order_ends_once_when_both_its_ends_come_at_the_same_moment(databases: Databases) -> None:
    orders = Orders(databases.migrated("orders"))
    orders.offer(CATALOGUE)
    for number in range(5):
        order = f"order-{number}"
        orders.create(create({MUG: 1}, order))
        completing = partial(orders.complete, CompleteOrder(key=f"{order}:complete", order_id=order))
        cancelling = partial(orders.cancel, undo("create", order))
        answers = at_once(partial(asked_again, completing), partial(asked_again, cancelling))
        end = status(databases.open("orders"))[order]
        if end == "completed":
            assert isinstance(answers[1], CannotUndo)
        else:
            assert end == "cancelled"
            assert isinstance(answers[0], OrderEnded)


def test_an_order_that_needs_an_operator_says_so_until_it_is_settled(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    for _ in range(2):
        orders.flag(flag("the refund did not arrive"))
    assert rows(database, orders_table, "problem", "settled") == [("the refund did not arrive", "")]
    orders.flag(flag("", settled="paid back in cash"))
    assert rows(database, orders_table, "problem", "settled") == [("", "paid back in cash")]


def test_an_operators_note_outlives_the_next_problem(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    orders.flag(flag("", settled="paid back in cash"))
    orders.flag(flag("the parcel is still on its way"))
    assert rows(database, orders_table, "problem", "settled") == [
        ("the parcel is still on its way", "paid back in cash")
    ]


def test_a_flag_leaves_other_orders_alone(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    orders.create(create({MUG: 1}, OTHER_ORDER))
    orders.flag(flag("the refund did not arrive"))
    assert rows(database, orders_table, "order_id", "problem") == [
        (ORDER, "the refund did not arrive"),
        (OTHER_ORDER, ""),
    ]


@pytest.mark.parametrize(("event", "status"), ENDS.items(), ids=[*ENDS.values()])
def test_an_order_ended_by_hand_has_ended_on_record_and_for_everybody(
    orders: Orders, database: Database, event: type[Event], status: OrderStatus
) -> None:
    orders.create(create({MUG: 1}))
    orders.flag(flag("the service does not answer"))
    for _ in range(2):
        orders.flag(ended_by_hand(status, reason="" if status is OrderStatus.COMPLETED else "OutOfStock: none left"))
    reason = "" if status is OrderStatus.COMPLETED else "OutOfStock: none left"
    assert rows(database, orders_table, "status", "reason", "problem", "settled") == [(status, reason, "", "by phone")]
    assert published(database) == ["OrderCreated", "OrderFlagged", "OrderFlagged", event.type()]


def test_an_order_ended_by_hand_for_no_other_reason_ended_for_what_was_done(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    orders.flag(ended_by_hand(OrderStatus.CANCELLED))
    assert rows(database, orders_table, "status", "reason") == [("cancelled", "by phone")]


def test_an_order_ended_by_hand_ends_no_second_time_when_the_service_comes_back(
    orders: Orders, database: Database
) -> None:
    orders.create(create({MUG: 1}))
    orders.flag(ended_by_hand(OrderStatus.REJECTED))
    orders.reject(undo("create"))
    with pytest.raises(OrderEnded):
        orders.complete(COMPLETE)
    assert status(database) == {ORDER: "rejected"}
    assert published(database).count("OrderRejected") == 1


def test_an_order_that_has_ended_is_not_ended_otherwise_by_hand(orders: Orders, database: Database) -> None:
    orders.create(create({MUG: 1}))
    orders.complete(COMPLETE)
    orders.flag(ended_by_hand(OrderStatus.REJECTED))
    assert rows(database, orders_table, "status", "settled") == [("completed", "by phone")]
    assert "OrderRejected" not in published(database)


def test_an_order_ended_by_hand_before_it_was_created_is_not_created_later(orders: Orders, database: Database) -> None:
    orders.flag(ended_by_hand(OrderStatus.CANCELLED))
    with pytest.raises(AlreadyUndone):
        orders.create(create({MUG: 1}))
    assert status(database) == {}
    assert published(database) == ["OrderCancelled", "OrderFlagged"]


@pytest.mark.parametrize("verb", ["reject", "cancel"])
def test_an_order_that_ends_needs_no_operator_any_more(orders: Orders, database: Database, verb: str) -> None:
    orders.create(choreographed(create({MUG: 1})))
    orders.flag(choreographed(flag("nothing happened for an hour")))
    getattr(orders, verb)(choreographed(undo("create")))
    assert rows(database, orders_table, "problem") == [("",)]


@pytest.mark.parametrize("verb", ["reject", "cancel"])
def test_a_sagas_problem_outlives_the_orders_own_undo(orders: Orders, database: Database, verb: str) -> None:
    """No undo of a saga waits for another: an operator is needed until the saga says not."""
    orders.create(create({MUG: 1}))
    orders.flag(flag("the refund did not arrive"))
    getattr(orders, verb)(undo("create"))
    orders.flag(flag("the refund did not arrive; nor did the parcel"))
    assert rows(database, orders_table, "problem") == [("the refund did not arrive; nor did the parcel",)]
    orders.flag(flag(""))
    assert rows(database, orders_table, "problem") == [("",)]


def test_a_flag_that_comes_after_the_end_changes_nothing(orders: Orders, database: Database) -> None:
    """As an attempt that timed out, and takes effect after all."""
    orders.create(create({MUG: 1}))
    orders.complete(COMPLETE)
    orders.flag(flag("the refund did not arrive"))
    assert rows(database, orders_table, "status", "problem") == [("completed", "")]
    assert "OrderFlagged" not in published(database)


def test_an_operators_note_is_kept_also_when_it_comes_after_the_end(orders: Orders, database: Database) -> None:
    orders.create(choreographed(create({MUG: 1})))
    orders.reject(choreographed(undo("create")))
    orders.flag(choreographed(flag("another problem", settled="paid back in cash")))
    assert rows(database, orders_table, "problem", "settled") == [("", "paid back in cash")]


@pytest.mark.parametrize("end", [OrderStatus.IN_PROGRESS, OrderStatus.REJECTED])
def test_a_flag_that_was_overtaken_by_a_newer_one_is_not_raised_after_it(
    orders: Orders, database: Database, end: OrderStatus
) -> None:
    """The first attempt waited for its database until the order had been taken up again, and had ended."""
    orders.create(create({MUG: 1}))
    late = flag("the refund did not arrive", sequence=1)
    orders.flag(late)
    orders.flag(flag("", sequence=2))
    if end is OrderStatus.REJECTED:
        orders.reject(undo("create"))
    orders.flag(late)
    assert rows(database, orders_table, "status", "problem") == [(end, "")]


def test_a_flag_that_is_overtaken_before_it_was_ever_raised_keeps_only_its_note(
    orders: Orders, database: Database
) -> None:
    orders.create(create({MUG: 1}))
    orders.flag(flag("", sequence=3))
    orders.flag(flag("the parcel is out", settled="paid back in cash", sequence=2))
    assert rows(database, orders_table, "problem", "settled") == [("", "paid back in cash")]
    orders.flag(flag("the stock is stuck", sequence=4))
    assert rows(database, orders_table, "problem") == [("the stock is stuck",)]


def test_an_order_that_is_rejected_while_another_undo_is_stuck_stays_flagged_until_that_is_done(
    orders: Orders, database: Database
) -> None:
    orders.create(create({MUG: 1}))
    orders.flag(flag("the refund did not arrive", sequence=1))
    orders.reject(undo("create"))
    assert rows(database, orders_table, "status", "problem") == [("rejected", "the refund did not arrive")]
    orders.flag(flag("", sequence=2))
    assert rows(database, orders_table, "status", "problem") == [("rejected", "")]


def test_an_id_that_is_placed_in_both_styles_is_the_first_ones_and_the_other_undoes_nothing_of_it(
    orders: Orders, database: Database
) -> None:
    orders.create(create({MUG: 1}))
    with pytest.raises(KeyReused):
        orders.create(choreographed(create({MUG: 1})))
    assert orders.cancel(choreographed(undo("create"))) == Undone(had_effect=False)
    orders.flag(choreographed(flag("the other is stuck")))
    orders.flag(choreographed(ended_by_hand(OrderStatus.CANCELLED)))
    assert rows(database, orders_table, "style", "status", "problem") == [("orchestration", "in-progress", "")]
    assert published(database) == ["OrderCreated"]


def test_an_event_that_is_handled_a_second_time_and_late_does_not_raise_the_flag_again(
    orders: Orders, database: Database
) -> None:
    """A worker that lost its partition was slower than the one that has it now."""
    orders.create(choreographed(create({MUG: 1})))
    needed, settled = (
        new_event(kind, {}, event_id=kind, source="/", correlation=ORDER, causation="-", style=Style.CHOREOGRAPHY)
        for kind in ("AttentionNeeded", "AttentionSettled")
    )
    late = choreographed(flag("the refund did not arrive")).model_copy(update={"cause": needed})
    orders.flag(late)
    orders.flag(choreographed(flag("")).model_copy(update={"cause": settled}))
    orders.flag(late)
    assert rows(database, orders_table, "problem") == [("",)]
