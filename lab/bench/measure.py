"""What `make bench` measures: rounds of orders with their CPU, and what one order costs without any noise."""

import asyncio
import importlib.util
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event
from temporalio.client import Client

# Not everywhere: it comes with the PostgreSQL that the tests use.
_psutil: Any = importlib.import_module("psutil") if importlib.util.find_spec("psutil") else None

_SETTLE_SECONDS = 0.3

Flow = Callable[[], Awaitable[str]]
"""Starts one workflow, waits for its end and gives its id."""


@dataclass(frozen=True)
class Round:
    """Times in seconds; CPU in seconds of all orders together, the server's None when it cannot be seen from here."""

    orders: int
    elapsed: float
    latencies: tuple[float, ...]
    worker_cpu: float
    server_cpu: float | None

    @property
    def rate(self) -> float:
        return self.orders / self.elapsed


class Meter:
    """Reads this process, which is the worker and places the orders too, and the server's if it is our own."""

    def __init__(self, server_pid: int | None) -> None:
        self._server = _psutil.Process(server_pid) if _psutil and server_pid else None

    async def round(self, flow: Flow, orders: int, at_once: int) -> Round:
        left = iter(range(orders))
        latencies: list[float] = []

        async def customer() -> None:
            for _ in left:
                began = time.perf_counter()
                await flow()
                latencies.append(time.perf_counter() - began)

        worker_cpu, server_cpu, began = time.process_time(), self._server_cpu(), time.perf_counter()
        await asyncio.gather(*(customer() for _ in range(at_once)))
        elapsed = time.perf_counter() - began
        await asyncio.sleep(_SETTLE_SECONDS)  # what the server still does for these orders is theirs, not the next's
        after = self._server_cpu()
        return Round(
            orders=orders,
            elapsed=elapsed,
            latencies=tuple(latencies),
            worker_cpu=time.process_time() - worker_cpu,
            server_cpu=None if after is None or server_cpu is None else after - server_cpu,
        )

    def memory(self) -> float | None:
        """This process' resident memory in MB."""
        return _psutil.Process().memory_info().rss / 1e6 if _psutil else None

    def _server_cpu(self) -> float | None:
        if self._server is None:
            return None
        times = self._server.cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True, order=True)
class Cost:
    """What one workflow costs, whatever else the machine does."""

    history_events: int
    state_transitions: int
    history_bytes: int
    transactions: int


async def cost_of(client: Client, flow: Flow, times: int) -> Cost:
    """The dearest of several, one at a time: two steps side by side may be answered in one workflow task, or in two."""
    return max([await _cost_of_one(client, flow) for _ in range(times)])


async def _cost_of_one(client: Client, flow: Flow) -> Cost:
    """`transactions` are those of all databases of this process meanwhile."""
    commits = itertools.count()

    def commit(_connection: object) -> None:
        next(commits)

    event.listen(Engine, "commit", commit)
    try:
        workflow_id = await flow()
    finally:
        event.remove(Engine, "commit", commit)
    described = await client.get_workflow_handle(workflow_id).describe()
    info = described.raw_description.workflow_execution_info
    return Cost(info.history_length, info.state_transition_count, info.history_size_bytes, next(commits))


def percentile(rounds: Sequence[Round], percent: float) -> float:
    """Of all the orders of these rounds, in seconds."""
    latencies = sorted(itertools.chain.from_iterable(one.latencies for one in rounds))
    return latencies[min(len(latencies) - 1, int(len(latencies) * percent / 100))]


def median(rounds: Sequence[Round], figure: Callable[[Round], float | None]) -> float | None:
    """Over the rounds; None when a round lacks the figure."""
    values = [figure(one) for one in rounds]
    return None if None in values else statistics.median(value for value in values if value is not None)
