"""A service's books: what it has on record of orders, through one interface for the audit.

Books are opened for a batch of orders, so that memory does not grow with the shop. They read those orders when they are
opened, in one transaction: a snapshot.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from sqlalchemy import Column, ColumnElement, Connection, Text, column, inspect, literal_column, select, table, text

from kernel.contracts import Event, Policy, Style, Undone
from kernel.database import Database, Storage
from kernel.keys import Key
from kernel.money import Money
from kernel.operations import DONE, UNDONE, operations
from kernel.outbox import outbox

E = TypeVar("E", bound=Event)


class Finding(NamedTuple):
    """A violated invariant, and what is on record instead. Without personal data."""

    invariant: str
    detail: str


@dataclass(frozen=True)
class OrderRecord:
    """An order as the orders service has it on record; the other services' books are compared with it.

    `lines` are pieces by SKU. `placed_at` and `flagged_at` (of the latest flag) are in milliseconds since 1970.
    `problem` is what an operator must settle, `settled` what an operator settled by hand; each begins with its step, as
    in `payments.refund: ...`, if it has one. `ends` is the status without regard to `problem`. `policy` is the order's
    own, if it is on record. `refunded_outside` (in minor units) and `is_returned` are what was settled outside after
    the order was completed, and `adjusted` is the note on it.
    """

    status: str
    placed_at: int
    total: Money
    lines: Mapping[str, int]
    ship_to: Mapping[str, object]
    settled: str = ""
    problem: str = ""
    ends: str = ""
    flagged_at: int = 0
    style: Style = Style.ORCHESTRATION
    policy: Policy | None = None
    refunded_outside: int = 0
    is_returned: bool = False
    adjusted: str = ""


class Books:
    """The books of one service, opened for some orders. Each method returns nothing unless it is overridden."""

    def placed(self) -> Mapping[str, OrderRecord]:
        """The records of these orders, by id. Only the orders service has any."""
        return {}

    def orders(self, since: int = 0) -> Iterable[str]:
        """The ids of all orders that are on record in any form. An id may occur more than once.

        Args:
            since: only orders with a change from then on (milliseconds since 1970), and those in progress.
        """
        return ()

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        """Contradictions within the service's own records. At no moment may there be any: transactions are atomic."""
        yield from ()

    def disagreements(self, order_id: str, order: OrderRecord | None) -> Iterator[Finding]:
        """Differences between the service and its provider, once the order has ended."""
        yield from ()

    def missing(self, order_id: str, order: OrderRecord) -> Iterator[Finding]:
        """What this completed order lacks, or has that differs from `order`."""
        yield from ()

    def kept(self, order_id: str) -> Iterator[Finding]:
        """What is not undone. There must be nothing once the order is rejected or cancelled."""
        yield from ()

    def waits_for_a_person(self, order_id: str) -> bool:
        """Whether the order is held until a person decides."""
        return False

    def as_a_whole(self) -> Iterator[Finding]:
        """Violations that concern all orders together."""
        yield from ()


@dataclass(frozen=True)
class Effects:
    """The orders for which a step was done, by the record of operations; the value is False if it was undone."""

    step: str
    stands: Mapping[str, bool]

    def contradictions(self, order_id: str, *, on_record: bool, stands: bool) -> Iterator[Finding]:
        """Differences between the service's row of the order and the record of operations.

        Args:
            on_record: whether there is a row.
            stands: whether, by the row, the step was done and not undone.
        """
        recorded = order_id in self.stands
        if on_record != recorded:
            found, done = ("a" if on_record else "no"), ("done" if recorded else "never done")
            yield Finding("records agree with operations", f"{self.step} was {done}, and {found} row says so")
        elif stands != self.stands.get(order_id, False):
            done = "stands" if self.stands[order_id] else "was undone"
            yield Finding("records agree with operations", f"{self.step} {done}, and its row says otherwise")


def orders_on_record(database: Database, since: int) -> Iterator[str]:
    """The ids for `Books.orders`, from all tables of the service's database with a column `order_id`."""
    with database.begin() as tx:
        streamed = tx.execution_options(yield_per=1_000)
        done = select(operations.c.key)
        if since:
            yield from streamed.scalars(select(outbox.c.correlation).where(outbox.c.occurred_at >= since))
            done = done.where(operations.c.recorded_at >= since)
        else:
            schema = inspect(tx)
            for name in schema.get_table_names():
                if "order_id" in {one["name"] for one in schema.get_columns(name)}:
                    yield from streamed.scalars(select(column("order_id", Text)).select_from(table(name)))
        for key in streamed.scalars(done):
            yield Key.parse(key).order_id


def is_of(orders: Sequence[str], key: Column[Any], database: Storage) -> ColumnElement[bool]:
    """The SQL condition that a key, `<order_id>:<step>`, belongs to one of these orders."""
    return literal_column(_order_of(f'{key.table}."{key.name}"', database), Text).in_(orders)


def index_by_order(tx: Connection, key: Column[Any], database: Storage) -> None:
    """Create the index for `is_of`, if it does not exist."""
    order_of = _order_of(f'"{key.name}"', database)
    tx.execute(text(f"CREATE INDEX IF NOT EXISTS ix_{key.table}_order ON {key.table} (({order_of}))"))


def _order_of(key: str, database: Storage) -> str:
    # Without parameters, so that both databases see that the index applies.
    return f"substr({key}, 1, instr({key}, ':') - 1)" if database.is_sqlite else f"split_part({key}, ':', 1)"


def effects(tx: Connection, step: str, orders: Sequence[str]) -> Effects:
    """The outcome of a service's step, for those of these orders for which it was ever done."""
    stands = {}
    rows = select(operations.c.key, operations.c.state, operations.c.answer)
    keys = [str(Key(order_id, step)) for order_id in orders]
    of_step = operations.c.key.in_(keys) & operations.c.state.in_((DONE, UNDONE))
    for key, state, answer in tx.execute(rows.where(of_step)):
        if state == DONE or Undone.model_validate_json(answer).had_effect:
            stands[Key.parse(key).order_id] = state == DONE
    return Effects(step, stands)


def published(tx: Connection, event: type[E], orders: Sequence[str]) -> dict[str, list[E]]:
    """The events of this type in the service's outbox, by order, oldest first. Unreadable rows are left out."""
    found: dict[str, list[E]] = {}
    of_type = select(outbox.c.correlation, outbox.c.data).where(
        outbox.c.correlation.in_(orders), outbox.c.type == event.type()
    )
    for order_id, data in tx.execute(of_type.order_by(outbox.c.position)):
        try:
            found.setdefault(order_id, []).append(event.model_validate_json(data))
        except ValidationError:
            continue  # reported by the audit of events
    return found


def otherwise_published(what: str, recorded: object, published: object) -> Iterator[Finding]:
    """A finding if the record differs from what the service published. The values may be private: neither is shown."""
    if recorded != published:
        yield Finding("records agree with events", f"the {what} on record is not the one that was published")
