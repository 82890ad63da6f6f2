"""Places orders, and measures what each costs every process, and how long it holds each resource."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from kernel.contracts import Steps
from kernel.errors import Unreachable
from lab.bench.flows import orchestrated_orders
from lab.bench.measure import Cost, Flow, cost_of, placed
from lab.capacity.held import Total, Totals, since
from lab.capacity.setup import BEHIND, Setup
from lab.compare.records import SUBSCRIBERS, unsent
from messaging.bus import Recorded
from wiring.bus import EventBus, open_bus
from wiring.temporal import connect, ensure_search_attributes

_WARM_UP = 10
_LOOK_SECONDS = 0.1
_CATCH_UP_SECONDS = 180
_TOTALS_SECONDS = 0.5  # until the workers' totals are written
_SAMPLES = 3


@dataclass(frozen=True)
class Measured:
    """One run; seconds and bytes of all its orders together.

    Attributes:
        elapsed: until the last order has ended.
        published: until the last event is on the bus.
        consumed: until all subscribers are up to date.
        cpu: by role and by server.
        totals: by role, and in it by database and by appending service.
        events: by publishing service.
        sizes: of the events as JSON, by publishing service.
        workflow: Temporal's costs of one order.
        backlog: what relay and subscribers held for the same number of orders, when all events waited for them: in full
            batches. Empty in a run with a slow resource.
    """

    orders: int
    at_once: int
    elapsed: float
    published: float
    consumed: float
    p50: float
    cpu: Mapping[str, float]
    totals: Mapping[str, Totals]
    events: Mapping[str, int]
    sizes: Mapping[str, int]
    workflow: Cost
    backlog: Mapping[str, Totals]

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.orders / self.elapsed

    @property
    def publishing_rate(self) -> float:
        """Orders a second whose events are on the bus."""
        return self.orders / self.published

    def held(self, name: str) -> Total:
        """What all roles together held of this."""
        found = [totals[name] for totals in self.totals.values() if name in totals]
        return Total(
            sum(one.times for one in found), sum(one.writing for one in found), sum(one.seconds for one in found)
        )


async def measure(setup: Setup, orders: int, at_once: int) -> Measured:
    """Raises WrongOrders, Unreachable, BusDown."""
    client = await connect(setup.settings)
    await ensure_search_attributes(client)
    flow = orchestrated_orders(client, setup.settings, Steps.QUEUE)
    async with open_bus(setup.settings) as bus:
        await placed(flow, _WARM_UP, _WARM_UP)
        await _published(setup)
        await _consumed(bus)
        head = await bus.bus.head()
        await asyncio.sleep(_TOTALS_SECONDS)
        before, cpu, began = setup.totals(), setup.cpu(), time.perf_counter()
        latencies = await placed(flow, orders, at_once)
        elapsed = time.perf_counter() - began
        await _published(setup)
        published = time.perf_counter() - began
        await _consumed(bus)
        consumed = time.perf_counter() - began
        await asyncio.sleep(_TOTALS_SECONDS)
        used, after = setup.cpu(), setup.totals()
        events, sizes = await _events(bus, head)
        workflow = await cost_of(client, flow, _SAMPLES)
        backlog = {} if setup.slow else await _backlog(setup, bus, flow, orders, at_once)
    return Measured(
        orders=orders,
        at_once=at_once,
        elapsed=elapsed,
        published=published,
        consumed=consumed,
        p50=sorted(latencies)[len(latencies) // 2],
        cpu={name: seconds - cpu[name] for name, seconds in used.items()},
        totals={role: since(before[role], totals) for role, totals in after.items()},
        events=events,
        sizes=sizes,
        workflow=workflow,
        backlog=backlog,
    )


async def _backlog(setup: Setup, bus: EventBus, flow: Flow, orders: int, at_once: int) -> dict[str, Totals]:
    """Place orders while nothing publishes and consumes; what publishing and consuming hold afterwards."""
    await asyncio.to_thread(setup.stop, *BEHIND)
    await placed(flow, orders, at_once)
    await asyncio.to_thread(setup.start, *BEHIND)
    await _published(setup)
    await _consumed(bus)
    await asyncio.sleep(_TOTALS_SECONDS)
    return {role: totals for role, totals in setup.totals().items() if role in BEHIND}


async def _published(setup: Setup) -> None:
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while behind := await asyncio.to_thread(unsent, setup.settings):
        if time.monotonic() > deadline:
            raise Unreachable(f"the relay is behind with the events of {', '.join(behind)}")
        await asyncio.sleep(_LOOK_SECONDS)


async def _consumed(bus: EventBus) -> None:
    head, deadline = await bus.bus.head(), time.monotonic() + _CATCH_UP_SECONDS
    for name in SUBSCRIBERS:
        while max((await asyncio.to_thread(bus.progress.positions, name)).values()) < head:
            if time.monotonic() > deadline:
                raise Unreachable(f"the consumer {name} is behind")
            await asyncio.sleep(_LOOK_SECONDS)


async def _events(bus: EventBus, after: int) -> tuple[Counter[str], Counter[str]]:
    """Number and bytes of the events after this position, by service."""
    events, sizes = Counter[str](), Counter[str]()
    reader = await bus.bus.read(None, after)
    try:
        while batch := await reader.next(500, 0):
            for one in batch:
                if isinstance(one, Recorded):
                    service = one.event.source.strip("/")
                    events[service] += 1
                    sizes[service] += len(one.event.model_dump_json().encode())
    finally:
        await reader.close()
    return events, sizes
