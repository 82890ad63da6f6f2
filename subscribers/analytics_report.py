"""Shop figures, computed from the analytics' own view of the orders; no service is queried."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from sqlalchemy import Row, func, select

from kernel.contracts import Contract
from kernel.database import Storage
from kernel.money import Money
from services.orders.contracts import OrderStatus
from subscribers.analytics import orders

AnyRow = Row[*tuple[Any, ...]]  # its columns are typed where the query is written
Rows = Sequence[AnyRow]


class SecondsToShip(Contract):
    """From the order on record to the parcel with the courier: half of them, and 95 of 100, took so long or less."""

    median: float
    p95: float


class Figures(Contract):
    """How orders went. `placed` counts every order that has an event, even one that was never recorded.

    Attributes:
        conversion: completed orders divided by placed ones; None if there are none.
        revenue: the totals of completed orders, one sum per currency.
        refunds: all refunds, whatever became of the order.
        refusals: rejected orders by the name that their reason begins with, most frequent first.
        seconds_to_ship: of the parcels that were not recalled; None if there are none.
    """

    placed: int
    completed: int
    rejected: int
    cancelled: int
    conversion: float | None
    revenue: tuple[Money, ...]
    refunds: tuple[Money, ...]
    refusals: dict[str, int]
    seconds_to_ship: SecondsToShip | None


class AnalyticsReport(Figures):
    """The figures of all orders, and those of each style."""

    by_style: dict[str, Figures]


def report(database: Storage) -> AnalyticsReport:
    """The current figures. Raises SQLAlchemyError before a subscriber has created its tables."""
    o = orders.c
    counted = select(
        o.style, o.outcome, o.refusal, o.currency, func.count().label("orders"), func.sum(o.total).label("total")
    ).group_by(o.style, o.outcome, o.refusal, o.currency)
    refunded = select(o.style, o.refund_currency.label("currency"), func.sum(o.refunded).label("total")).group_by(
        o.style, o.refund_currency
    )
    took = o.shipped_at - o.placed_at
    shipped = select(o.style, took.label("took")).where(took.is_not(None))
    with database.begin() as tx:
        rows = tx.execute(counted).all(), tx.execute(refunded).all(), tx.execute(shipped).all()
    styles = sorted({row.style for row in rows[0]})
    by_style = {style: _figures(*[[row for row in some if row.style == style] for some in rows]) for style in styles}
    return AnalyticsReport(**dict(_figures(*rows)), by_style=by_style)


def _figures(counted: Rows, refunded: Rows, shipped: Rows) -> Figures:
    outcomes, refusals = Counter[str](), Counter[str]()
    for row in counted:
        outcomes[row.outcome] += row.orders
        if row.outcome == OrderStatus.REJECTED:
            refusals[row.refusal or "no reason"] += row.orders
    placed, completed = outcomes.total(), outcomes[OrderStatus.COMPLETED]
    return Figures(
        placed=placed,
        completed=completed,
        rejected=outcomes[OrderStatus.REJECTED],
        cancelled=outcomes[OrderStatus.CANCELLED],
        conversion=completed / placed if placed else None,
        revenue=_sums(row for row in counted if row.outcome == OrderStatus.COMPLETED),
        refunds=_sums(refunded),
        refusals=dict(sorted(refusals.items(), key=lambda refusal: (-refusal[1], refusal[0]))),
        seconds_to_ship=_percentiles(sorted(row.took / 1000 for row in shipped)),
    )


def _sums(rows: Iterable[AnyRow]) -> tuple[Money, ...]:
    sums = Counter[str]()
    for row in rows:
        if row.currency:
            sums[row.currency] += int(row.total)
    return tuple(Money(amount=amount, currency=currency) for currency, amount in sorted(sums.items()))


def _percentiles(seconds: Sequence[float]) -> SecondsToShip | None:
    if not seconds:
        return None
    return SecondsToShip(median=median(seconds), p95=seconds[math.ceil(0.95 * len(seconds)) - 1])
