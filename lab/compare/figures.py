"""The figures of a run. Durations are in seconds, moments in seconds since the first order was placed."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kernel.contracts import Event, Style
from kernel.envelope import CloudEvent
from lab.compare.observations import Observations
from lab.compare.orders import Kind
from services import SERVICES
from services.inventory.events import StockReleased, StockReserved
from services.orders.contracts import OrderStatus
from services.orders.events import END_OF_TYPE, OrderFlagged
from services.payments.events import PaymentProcessed, PaymentRefunded

UNFINISHED = "unfinished"
NO_PERSON = (Kind.GOOD, Kind.CARD_DECLINED, Kind.UNDELIVERABLE, Kind.SOLD_OUT)

_FAILED = (OrderStatus.REJECTED, OrderStatus.CANCELLED)
_LAST_WORDS = {*END_OF_TYPE, OrderFlagged.type()}
_SOURCES = {f"/{service.name}" for service in SERVICES}


@dataclass(frozen=True)
class Spread:
    """The median, the maximum and the sum of some values; None of no values."""

    count: int
    median: float | None
    greatest: float | None
    total: float

    @staticmethod
    def of(values: Iterable[float]) -> "Spread":
        given = list(values)
        return Spread(len(given), _median(given), max(given, default=None), sum(given))


@dataclass(frozen=True)
class KillFigures:
    """`first_step` is any order's first step after it; None when no order was under way."""

    at: float
    ready_after: float
    first_step_after: float | None


@dataclass(frozen=True)
class Series:
    """For the plots: sorted values."""

    latencies: list[float]
    finished: list[float]
    stock_held: list[float]


@dataclass(frozen=True)
class Figures:
    """`ends_by_kind` is how many orders of each kind ended how."""

    style: str
    orders: int
    ends: dict[str, int]
    ends_by_kind: dict[str, dict[str, int]]
    ended_unpublished: int
    violations: list[str]
    problems: list[str]
    repeated_requests: int
    repeated_events: int
    dead_letters: int
    seconds_to_rest: float | None
    p50: float | None
    p99: float | None
    stock_held: Spread
    stock_piece_seconds: float
    money_kept: Spread
    refund_and_release_apart: Spread
    rows_written_an_order: float
    rows_written: dict[str, int]
    events_an_order: float
    history_events_an_order: float | None
    state_transitions_an_order: float | None
    restarts: int
    kills: list[KillFigures]
    next_step_after_kill: Spread
    records_of_a_failed_order: float | None
    writers_of_a_failed_order: float | None
    status_lines_of_a_failed_order: float | None
    series: Series = field(repr=False)

    @property
    def is_good(self) -> bool:
        return not (self.violations or self.problems or self.ends.get(UNFINISHED))


def figures(seen: Observations) -> Figures:
    began = min(seen.placed_at.values(), default=0.0)
    history, workflows, rows = _History(seen), seen.records.histories, seen.records.rows
    kind_of = {one.order.order_id: one.kind for one in seen.planned}
    ended = {kind: Counter[str]() for kind in Kind}
    for order_id, kind in kind_of.items():
        ended[kind][seen.ends.get(order_id, UNFINISHED)] += 1
    latencies = sorted(
        rest - seen.placed_at[one]
        for one, rest in history.rest.items()
        if kind_of[one] in NO_PERSON and seen.ends[one] is not OrderStatus.NEEDS_ATTENTION
    )
    failed = [order_id for order_id, end in seen.ends.items() if end in _FAILED]
    is_orchestrated = seen.style is Style.ORCHESTRATION
    rejected = [
        order_id
        for order_id in failed
        if seen.ends[order_id] is OrderStatus.REJECTED and (order_id in workflows or not is_orchestrated)
    ]
    stock = {one: span for one in failed if (span := history.span(one, StockReserved, StockReleased))}
    money = {one: span for one in failed if (span := history.span(one, PaymentProcessed, PaymentRefunded))}
    count = len(seen.planned)
    return Figures(
        style=seen.style,
        orders=count,
        ends=dict(sum(ended.values(), Counter[str]())),
        ends_by_kind={kind: dict(ends) for kind, ends in ended.items() if ends},
        ended_unpublished=len(seen.unpublished),
        violations=list(seen.violations),
        problems=list(seen.problems),
        repeated_requests=seen.records.repeated_requests,
        repeated_events=seen.records.repeated_events,
        dead_letters=seen.records.dead_letters,
        seconds_to_rest=max(history.rest.values()) - began if history.rest else None,
        p50=_percentile(latencies, 50),
        p99=_percentile(latencies, 99),
        stock_held=Spread.of(until - since for since, until in stock.values()),
        stock_piece_seconds=sum((until - since) * history.pieces(one) for one, (since, until) in stock.items()),
        money_kept=Spread.of(until - since for since, until in money.values()),
        refund_and_release_apart=Spread.of(abs(stock[one][1] - money[one][1]) for one in stock.keys() & money.keys()),
        rows_written_an_order=sum(rows.values()) / count,
        rows_written=rows,
        events_an_order=len(seen.events) / count,
        history_events_an_order=_mean(one.events for one in workflows.values()),
        state_transitions_an_order=_mean(one.transitions for one in workflows.values()),
        restarts=seen.restarts,
        kills=[
            KillFigures(kill.at - began, kill.ready_after, history.first_step_after(kill.at)) for kill in seen.kills
        ],
        next_step_after_kill=Spread.of(step for kill in seen.kills for step in history.next_steps_after(kill.at)),
        records_of_a_failed_order=_median(
            workflows[one].events if is_orchestrated else len(history.of[one]) for one in rejected
        ),
        writers_of_a_failed_order=_median(
            1 if is_orchestrated else len({event.source for event in history.of[one]}) for one in rejected
        ),
        status_lines_of_a_failed_order=_median(seen.records.status_lines[one] for one in rejected),
        series=Series(
            latencies, sorted(rest - began for rest in history.rest.values()), sorted(b - a for a, b in stock.values())
        ),
    )


class _History:
    """The events of a run, by order."""

    def __init__(self, seen: Observations) -> None:
        self._placed_at = seen.placed_at
        self.of: dict[str, list[CloudEvent]] = {order_id: [] for order_id in seen.placed_at}
        for event in seen.events:
            self.of[event.correlationid].append(event)
        self.rest = {
            order_id: max(event.time.timestamp() for event in self.of[order_id] if event.type in _LAST_WORDS)
            for order_id in seen.ends
            if order_id not in seen.unpublished
        } | seen.unpublished

    def span(self, order_id: str, done: type[Event], undone: type[Event]) -> tuple[float, float] | None:
        """Time from done to undone, if both happened."""
        since = [event.time.timestamp() for event in self.of[order_id] if event.type == done.type()]
        until = [
            event.time.timestamp()
            for event in self.of[order_id]
            if event.type == undone.type() and event.data["had_effect"]
        ]
        return (min(since), min(until)) if since and until else None

    def pieces(self, order_id: str) -> int:
        reserved = next(event for event in self.of[order_id] if event.type == StockReserved.type())
        return sum(line["quantity"] for line in reserved.data["lines"])

    def first_step_after(self, moment: float) -> float | None:
        return min(self.next_steps_after(moment), default=None)

    def next_steps_after(self, moment: float) -> list[float]:
        """For each order in progress then, the seconds until its next event."""
        under_way = [
            order_id
            for order_id, placed_at in self._placed_at.items()
            if placed_at < moment < self.rest.get(order_id, float("inf"))
        ]
        steps = ([e.time.timestamp() for e in self.of[one] if e.source in _SOURCES] for one in under_way)
        return [min(later) - moment for step in steps if (later := [time for time in step if time > moment])]


def _median(values: Iterable[float]) -> float | None:
    given = list(values)
    return statistics.median(given) if given else None


def _mean(values: Iterable[float]) -> float | None:
    given = list(values)
    return statistics.mean(given) if given else None


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return values[min(len(values) - 1, int(len(values) * percent / 100))] if values else None
