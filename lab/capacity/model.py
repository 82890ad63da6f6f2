"""What a rate needs, from the unit costs of a run: arithmetic, without any measurement of its own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from messaging.bus import PARTITIONS

RATES = (100, 1_000, 10_000)  # orders a second
TOP_EVENTS = 100_000  # a second: the claim of the second text
BUSY = 0.7  # the share of a core, or of a serial resource, that is planned with


@dataclass(frozen=True)
class UnitCosts:
    """Of one order, in a run over PostgreSQL and NATS with each role as a process.

    Attributes:
        cpu: seconds, by role.
        servers: seconds, by server.
        relays: seconds that a service's relay is busy, by service.
        subscribers: seconds that a subscriber's partition is busy, by subscriber.
        events: on the bus.
        size: bytes of these events.
        history: events in Temporal's history.
        shard_rate: orders a second that one history shard has carried; it may carry more.
    """

    cpu: Mapping[str, float]
    servers: Mapping[str, float]
    relays: Mapping[str, float]
    subscribers: Mapping[str, float]
    events: float
    size: float
    history: int
    shard_rate: float


@dataclass(frozen=True)
class Needs:
    """Of a rate. `databases` is the number that the outbox with the busiest relay is divided into."""

    rate: float
    events: float
    megabytes: float
    processes: Mapping[str, int]
    servers: Mapping[str, float]
    cores: float
    shards: int
    partitions: int
    databases: int


def needs(rate: float, costs: UnitCosts) -> Needs:
    """Args: rate: orders a second."""
    servers = {name: rate * seconds / BUSY for name, seconds in costs.servers.items()}
    return Needs(
        rate=rate,
        events=rate * costs.events,
        megabytes=rate * costs.size / 1e6,
        processes={role: _parts(rate * seconds) for role, seconds in costs.cpu.items()},
        servers=servers,
        cores=sum(servers.values()) + rate * sum(costs.cpu.values()) / BUSY,
        shards=math.ceil(rate / costs.shard_rate),
        partitions=max(PARTITIONS, *(_parts(rate * seconds) for seconds in costs.subscribers.values())),
        databases=max(_parts(rate * seconds) for seconds in costs.relays.values()),
    )


def _parts(busy: float) -> int:
    """Into how many parts a resource is divided, to be no busier than planned."""
    return max(1, math.ceil(busy / BUSY))
