"""Order analytics: a table of facts, one row per event, and a view with one row per order, for any SQL client.

A fact holds only what its event states, so neither the order nor the repetition of events changes the result, and the
facts after a position can be dropped and rebuilt from the archive.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Case,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    String,
    Table,
    case,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.schema import CreateView

from kernel import inbox
from kernel.contracts import Event
from kernel.database import Storage
from kernel.envelope import CloudEvent
from messaging.bus import Recorded
from messaging.subscription import Rule, Subscription
from services.orders.contracts import OrderStatus
from services.orders.events import ENDS, OrderCompleted, OrderCreated, OrderRejected
from services.payments.events import PaymentRefunded
from services.shipping.events import ShipmentCancelled, Shipped
from subscribers.context import SubscriberContext
from subscribers.redaction import without_data

NAME = "analytics"

_KINDS: tuple[type[Event], ...] = (OrderCreated, *ENDS, PaymentRefunded, Shipped, ShipmentCancelled)

metadata = MetaData()

facts = Table(
    "facts",
    metadata,
    Column("event_id", String(200), primary_key=True),
    Column("position", BigInteger, nullable=False, index=True, comment="in the log of events"),
    Column("order_id", String(64), nullable=False, index=True),
    Column("style", String(20), nullable=False),
    Column("type", String(50), nullable=False),
    Column("occurred_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("had_effect", Boolean, nullable=False, comment="false for an undo of nothing"),
    Column("amount", BigInteger, comment="minor units: the order's total, or what was refunded"),
    Column("currency", String(3)),
    Column("refusal", String(100), comment="of a rejected order: its reason up to the first colon"),
)


_INSERT = insert(facts)  # built once: building a statement costs more than running it


def _of(*kinds: type[Event]) -> ColumnElement[bool]:
    return facts.c.type.in_([kind.type() for kind in kinds]) & facts.c.had_effect


def _any(*kinds: type[Event]) -> ColumnElement[bool]:
    return func.max(case((_of(*kinds), 1), else_=0)) == 1


def _first(column: Column[Any], *kinds: type[Event]) -> ColumnElement[Any]:
    return func.min(case((_of(*kinds), column)))


_OUTCOME: Case[str] = case(
    *((_any(event), status.value) for event, status in ENDS.items()), else_=OrderStatus.IN_PROGRESS.value
)
_ORDERS = select(
    facts.c.order_id,
    func.min(facts.c.style).label("style"),
    _OUTCOME.label("outcome"),
    _first(facts.c.refusal, OrderRejected).label("refusal"),
    _first(facts.c.amount, OrderCreated, OrderCompleted).label("total"),
    _first(facts.c.currency, OrderCreated, OrderCompleted).label("currency"),
    func.sum(case((_of(PaymentRefunded), facts.c.amount), else_=0)).label("refunded"),
    _first(facts.c.currency, PaymentRefunded).label("refund_currency"),
    _first(facts.c.occurred_at, OrderCreated).label("placed_at"),
    # A parcel that was recalled was not shipped.
    case((~_any(ShipmentCancelled), _first(facts.c.occurred_at, Shipped))).label("shipped_at"),
).group_by(facts.c.order_id)

# One row per order; times in milliseconds since 1970, amounts in minor units, null for what did not happen.
orders = CreateView(_ORDERS, "orders").table


class Analytics:
    def __init__(self, database: Storage) -> None:
        self._database = database

    def open(self) -> None:
        """Create the tables if they do not exist, and this version's view."""

        def make(tx: Connection) -> None:
            metadata.create_all(tx)
            inbox.make(tx)
            if self._database.is_sqlite:
                tx.execute(text("DROP VIEW IF EXISTS orders"))
            tx.execute(CreateView(_ORDERS, "orders", or_replace=not self._database.is_sqlite))

        self._database.alone(make)

    def handle(self, recorded: Recorded) -> None:
        self.handle_all([recorded])

    def handle_all(self, several: Sequence[Recorded]) -> None:
        """In one transaction."""
        facts_of = {recorded.event.id: _fact(recorded.event) | {"position": recorded.position} for recorded in several}
        received = [without_data(recorded.event) for recorded in several]
        with self._database.begin() as tx:
            new = inbox.receive(tx, received)
            if new:
                tx.execute(_INSERT, [facts_of[event.id] for event in new])

    def forget(self, position: int) -> None:
        """Drop the facts of the events after this position, so that these can be handled again."""
        later = facts.c.position > position
        with self._database.begin() as tx:
            received = inbox.inbox.c.event_id.in_(select(facts.c.event_id).where(later))
            tx.execute(delete(inbox.inbox).where(received))
            tx.execute(delete(facts).where(later))


def _fact(event: CloudEvent) -> dict[str, Any]:
    data = event.data
    money = data.get("total") or data.get("amount") or {}
    return {
        "event_id": event.id,
        "order_id": event.correlationid,
        "style": event.style,
        "type": event.type,
        "occurred_at": int(event.time.timestamp() * 1000),
        "had_effect": data.get("had_effect", True),
        "amount": money.get("amount"),
        "currency": money.get("currency"),
        # Only a rejection's reason begins with a refusal's name; others are free text, which is not for statistics.
        "refusal": data["reason"].partition(":")[0][:100] if event.type == OrderRejected.type() else None,
    }


def analytics(context: SubscriberContext) -> Iterable[Subscription]:
    database = context.database(NAME)
    subscriber = Analytics(database)
    subscriber.open()
    rule = Rule(types=tuple(kind.type() for kind in _KINDS))
    known = partial(inbox.known, database)
    return [
        Subscription(
            NAME,
            rule,
            subscriber.handle,
            handle_all=subscriber.handle_all,
            handled=known,
            forget=subscriber.forget,
        )
    ]
