"""The state of the system as metrics, read from its sources: the databases, the bus, and `attention`.

Samples are taken when `/metrics` is scraped. A source that cannot be read has no sample, and is marked as unreadable.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import case, func, select

from client.attention import AttentionEntry, AttentionKind
from kernel.contracts import Style
from kernel.database import Storage
from kernel.outbox import is_waiting, outbox
from messaging.bus import Bus, Recorded
from messaging.failure import FailureState, failures
from messaging.progress import Progress
from observability.metrics import PREFIX
from services.orders.contracts import OrderStatus
from services.orders.tables import orders

now = time.time


@dataclass(frozen=True)
class Gauge:
    name: str
    help: str
    labels: tuple[str, ...]


ORDERS = Gauge("orders", "Orders on record.", ("status", "style"))
OUTBOX_AGE = Gauge("outbox_age_seconds", "Age of the oldest event in an outbox that is not published.", ("service",))
CONSUMER_LAG = Gauge(
    "consumer_lag_seconds", "Age of the oldest event on the bus that a consumer has not handled.", ("consumer",)
)
DEAD_LETTERS = Gauge("dead_letters", "Events and messages that wait for an operator.", ("consumer",))
FAILING = Gauge("failing_events", "Events that a consumer has failed to handle and retries.", ("consumer",))
WEBHOOK_FAILURES = Gauge(
    "webhook_failures", "Failed attempts to deliver the events that an endpoint has not taken yet.", ("endpoint",)
)
ATTENTION = Gauge("attention", "What needs a person, as `starter.py attention` lists it.", ("kind",))
OLDEST_REVIEW = Gauge("oldest_review_seconds", "How long the oldest order in review has been held.", ())
UNREADABLE = Gauge("unreadable", "1 for a source that could not be read, so that its values are unknown.", ("source",))

GAUGES = (
    ORDERS,
    OUTBOX_AGE,
    CONSUMER_LAG,
    DEAD_LETTERS,
    FAILING,
    WEBHOOK_FAILURES,
    ATTENTION,
    OLDEST_REVIEW,
    UNREADABLE,
)

WEBHOOK = "webhook-"


class Sample(NamedTuple):
    gauge: Gauge
    labels: tuple[str, ...]
    value: float


def families(samples: Iterable[Sample]) -> Iterator[GaugeMetricFamily]:
    """The samples as Prometheus metrics."""
    found = {gauge: GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.help, labels=gauge.labels) for gauge in GAUGES}
    for sample in samples:
        found[sample.gauge].add_metric(sample.labels, sample.value)
    yield from found.values()


def unreadable(sources: Iterable[str], unread: Mapping[str, str]) -> Iterator[Sample]:
    for source in sources:
        yield Sample(UNREADABLE, (source,), float(source in unread))


def orders_by_status(database: Storage) -> list[Sample]:
    """All orders of the database `orders`, by status and style."""
    status = case((orders.c.problem != "", OrderStatus.NEEDS_ATTENTION.value), else_=orders.c.status).label("now")
    query = select(status, orders.c.style, func.count().label("orders")).group_by(status, orders.c.style)
    counts = {(status.value, style.value): 0 for status in OrderStatus for style in Style}
    with database.begin() as tx:
        counts |= {(row.now, row.style): row.orders for row in tx.execute(query)}
    return [Sample(ORDERS, labels, count) for labels, count in counts.items()]


def outbox_age(service: str, database: Storage) -> list[Sample]:
    oldest = select(outbox.c.occurred_at).where(is_waiting).order_by(outbox.c.position).limit(1)
    with database.begin() as tx:
        since = tx.scalar(oldest)
    return [Sample(OUTBOX_AGE, (service,), _age(since / 1000) if since else 0)]


def failing_events(progress: Progress, consumers: Iterable[str]) -> list[Sample]:
    """The failing events and dead letters of these consumers."""
    query = select(
        failures.c.consumer, failures.c.state, func.count().label("events"), func.sum(failures.c.attempts).label("all")
    ).group_by(failures.c.consumer, failures.c.state)
    with progress.database.begin() as tx:
        found = {(row.consumer, row.state): (row.events, row.all) for row in tx.execute(query)}
    samples = []
    for name in consumers:
        dead = sum(found.get((name, state), (0, 0))[0] for state in (FailureState.DEAD, FailureState.UNREADABLE))
        failing, attempts = found.get((name, FailureState.RETRYING), (0, 0))
        samples += [Sample(DEAD_LETTERS, (name,), dead), Sample(FAILING, (name,), failing)]
        if name.startswith(WEBHOOK):
            samples.append(Sample(WEBHOOK_FAILURES, (name.removeprefix(WEBHOOK),), attempts))
    return samples


async def consumer_lag(bus: Bus, consumer: str, positions: Mapping[int, int]) -> list[Sample]:
    """The age of the oldest event that comes first after one of these positions. Raises BusDown."""
    oldest, head = 0.0, await bus.head()
    for partition, position in positions.items():
        if position < head:
            reader = await bus.read(partition, position)
            try:
                first = next((one for one in await reader.next(1, 0) if isinstance(one, Recorded)), None)
            finally:
                await reader.close()
            if first:
                oldest = max(oldest, _age(first.event.time.timestamp()))
    return [Sample(CONSUMER_LAG, (consumer,), oldest)]


def needs_attention(entries: Iterable[AttentionEntry]) -> list[Sample]:
    """The number of entries of each kind, zeros included, and how long the oldest review has waited."""
    entries = list(entries)
    counts = Counter(entry.kind for entry in entries)
    reviews = (one.since.timestamp() for one in entries if one.kind is AttentionKind.REVIEW and one.since)
    oldest = min(reviews, default=None)
    age = Sample(OLDEST_REVIEW, (), _age(oldest) if oldest else 0)
    return [*(Sample(ATTENTION, (kind.value,), counts[kind]) for kind in AttentionKind), age]


def _age(since: float) -> float:
    return max(0.0, now() - since)
