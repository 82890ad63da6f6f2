"""How things stand, read from where it is kept: the databases, the bus, and what needs attention.

Nothing is kept here: a sample is taken when `/metrics` is asked for. What cannot be read has no value, and its source
is marked as unreadable.
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
from messaging.progress import FailureState, Progress, failures
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
OUTBOX_AGE = Gauge("outbox_age_seconds", "Since when the oldest event of an outbox waits for the relay.", ("service",))
CONSUMER_LAG = Gauge(
    "consumer_lag_seconds", "Since when the oldest event that a consumer has not handled is on the bus.", ("consumer",)
)
DEAD_LETTERS = Gauge("dead_letters", "Events and messages that wait for an operator.", ("consumer",))
FAILING = Gauge("failing_events", "Events that a consumer has failed to handle, and tries again.", ("consumer",))
WEBHOOK_FAILURES = Gauge(
    "webhook_failures", "Failed attempts to deliver the events that an endpoint has not taken yet.", ("endpoint",)
)
ATTENTION = Gauge("attention", "What needs a person, as `starter.py attention` lists it.", ("kind",))
OLDEST_REVIEW = Gauge("oldest_review_seconds", "Since when the oldest order in review is held.", ())
UNREADABLE = Gauge("unreadable", "1 for what could not be read; nothing is known of it.", ("source",))

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
    """As Prometheus gets them."""
    found = {gauge: GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.help, labels=gauge.labels) for gauge in GAUGES}
    for sample in samples:
        found[sample.gauge].add_metric(sample.labels, sample.value)
    yield from found.values()


def unreadable(sources: Iterable[str], unread: Mapping[str, str]) -> Iterator[Sample]:
    for source in sources:
        yield Sample(UNREADABLE, (source,), float(source in unread))


def orders_by_status(database: Storage) -> list[Sample]:
    """All of them; those of the database `orders`."""
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
    """What these consumers could not handle yet, or at all."""
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
    """By the time of the first event after each position. Raises BusDown."""
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
    """How much of each kind, none included; and how long the oldest review has been waiting."""
    entries = list(entries)
    counts = Counter(entry.kind for entry in entries)
    reviews = (one.since.timestamp() for one in entries if one.kind is AttentionKind.REVIEW and one.since)
    oldest = min(reviews, default=None)
    age = Sample(OLDEST_REVIEW, (), _age(oldest) if oldest else 0)
    return [*(Sample(ATTENTION, (kind.value,), counts[kind]) for kind in AttentionKind), age]


def _age(since: float) -> float:
    return max(0.0, now() - since)
