"""The serial resources that every order passes, and their ceilings: places / seconds held an order."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.capacity.held import APPEND, LOG, Totals
from lab.capacity.measure import Measured
from lab.capacity.setup import CONNECTIONS, Storage
from lab.compare.records import SUBSCRIBERS
from messaging.bus import PARTITIONS
from services import SERVICES
from services.inventory.declaration import INVENTORY


@dataclass(frozen=True)
class Resource:
    """One that is held for `held` seconds an order.

    Attributes:
        places: how many orders can hold it at one time.
        is_process: whether another process brings another one.
    """

    name: str
    held: float
    places: int = 1
    is_process: bool = False

    @property
    def ceiling(self) -> float:
        """Orders a second."""
        return self.places / self.held


@dataclass(frozen=True)
class Prediction:
    """A run that no unit cost comes from: with one resource slowed. Rates in orders a second.

    Attributes:
        added: seconds an order that the resource was held longer.
        predicted: from the run that was not slowed: 1 / (held + added), at most its rate.
    """

    resource: str
    added: float
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """Of the prediction, as a share of what was measured."""
        return self.predicted / self.measured - 1


def resources(storage: Storage, run: Measured) -> list[Resource]:
    """Sorted by their ceilings, the lowest first."""
    found = [*_relays(run), *_processes(run), *(_network(run) if storage is Storage.NETWORK else _embedded(run))]
    return sorted((one for one in found if one.held > 0), key=lambda one: one.ceiling)


def relay_of(service: str, run: Measured) -> Resource:
    """It takes its outbox' events, appends them and marks them, one batch after the other: in full batches."""
    held = _behind(run)["relay"]
    appending = held[APPEND + service].seconds if APPEND + service in held else _share(run, held, service)
    return Resource(f"relay of {service}", (held[service].seconds + appending) / run.orders)


def subscriber(name: str, run: Measured) -> Resource:
    """One partition's consumer is serial; SQLite makes all partitions of a subscriber so. In full batches."""
    database = name.replace("-", "_")
    return Resource(f"subscriber {name}", _behind(run)["subscribers"][database].seconds / run.orders)


def predicted(base: Measured, resource: str, held: float, added: float, measured: float) -> Prediction:
    """Args: held: seconds an order in the base run; added: seconds an order in the slowed run."""
    return Prediction(resource, added, min(base.rate, 1 / (held + added)), measured)


def slowed_database(base: Measured, run: Measured, name: str, seconds: float) -> Prediction:
    """The prediction for a run in which each writing transaction of this service, or each event, took longer."""
    held = base.held(name).seconds / base.orders
    if name == LOG:
        events: Mapping[str, int] = base.events
        return predicted(
            base, "append to the log", held, seconds * sum(events.values()) / base.orders, run.publishing_rate
        )
    writing = base.totals[name][name].writing / base.orders
    return predicted(base, f"writer of {name}", held, seconds * writing, run.rate)


def _behind(run: Measured) -> Mapping[str, Totals]:
    return run.backlog or run.totals


def _share(run: Measured, held: Totals, service: str) -> float:
    """Of the time that the relay's process held the log, by events."""
    return held[LOG].seconds * run.events[service] / sum(run.events.values())


def _relays(run: Measured) -> list[Resource]:
    return [relay_of(service.name, run) for service in SERVICES]


def _processes(run: Measured) -> list[Resource]:
    """A Python process runs one thread at a time, so its CPU time is a resource that is held."""
    return [Resource(f"one process of {role}", run.cpu[role] / run.orders, is_process=True) for role in run.totals]


def _embedded(run: Measured) -> list[Resource]:
    """SQLite has one writer; every transaction but a reader's is one."""
    names = [service.name for service in SERVICES]
    writers = [Resource(f"writer of {name}", run.held(name).seconds / run.orders) for name in names]
    records = Resource("writer of the consumers' records", run.held("consumers").seconds / run.orders)
    log = Resource("append to the log", run.held(LOG).seconds / run.orders)
    return [*writers, records, log, *(subscriber(name, run) for name in SUBSCRIBERS)]


def _network(run: Measured) -> list[Resource]:
    pools = [
        Resource(
            f"connections of one process of {service.name}",
            run.totals[service.name][service.name].seconds / run.orders,
            CONNECTIONS,
            is_process=True,
        )
        for service in SERVICES
    ]
    stock = Resource("stock row of one product", run.totals[INVENTORY.name][INVENTORY.name].seconds / run.orders)
    consumers = [subscriber(name, run) for name in SUBSCRIBERS]
    spread = [Resource(f"{one.name}, {PARTITIONS} partitions", one.held, PARTITIONS) for one in consumers]
    return [*pools, stock, *spread]
