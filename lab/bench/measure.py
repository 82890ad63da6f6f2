"""Measures rounds of orders with their CPU, and the noise-free costs of one order."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
from sqlalchemy import Engine, event
from temporalio.client import Client
from temporalio.service import RPCError

_SETTLE_SECONDS = 0.3
_QUIET_SHARE = 0.2  # of one core
_QUIET_WITHIN_SECONDS = 60

Flow = Callable[[], Awaitable[str]]
"""Starts one workflow, waits for its end and returns its id."""


async def placed(flow: Flow, orders: int, at_once: int) -> list[float]:
    """Run this many orders, `at_once` of them at any time; returns the seconds of each."""
    left = iter(range(orders))
    latencies: list[float] = []

    async def customer() -> None:
        for _ in left:
            began = time.perf_counter()
            await flow()
            latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(customer() for _ in range(at_once)))
    return latencies


@dataclass(frozen=True)
class Round:
    """Times in seconds; CPU in seconds of all orders together, also of what is done after their end.

    `own_cpu` is this process', with the client and, but for those of processes, the workers; the server's is None when
    it cannot be seen from here.
    """

    orders: int
    elapsed: float
    latencies: tuple[float, ...]
    own_cpu: float
    workers_cpu: float
    server_cpu: float | None

    @property
    def rate(self) -> float:
        return self.orders / self.elapsed


class Meter:
    """Measures this process, its other processes, and the server if this program started it."""

    def __init__(self, server_pid: int | None) -> None:
        self._server = psutil.Process(server_pid) if server_pid else None

    async def round(self, flow: Flow, orders: int, at_once: int, pids: Sequence[int] = ()) -> Round:
        before, server, began = (time.process_time(), _cpu(pids)), self._server_cpu(), time.perf_counter()
        latencies = await placed(flow, orders, at_once)
        elapsed = time.perf_counter() - began
        await self._until_quiet(pids)  # what is still done for these orders is theirs, not the next's
        after = self._server_cpu()
        return Round(
            orders=orders,
            elapsed=elapsed,
            latencies=tuple(latencies),
            own_cpu=time.process_time() - before[0],
            workers_cpu=_cpu(pids) - before[1],
            server_cpu=None if after is None or server is None else after - server,
        )

    async def _until_quiet(self, pids: Sequence[int]) -> None:
        deadline = time.monotonic() + _QUIET_WITHIN_SECONDS
        while time.monotonic() < deadline:
            used = time.process_time() + _cpu(pids)
            await asyncio.sleep(_SETTLE_SECONDS)
            if time.process_time() + _cpu(pids) - used < _QUIET_SHARE * _SETTLE_SECONDS:
                return

    def memory(self) -> float:
        """This process' resident memory in MB."""
        return psutil.Process().memory_info().rss / 1e6

    def _server_cpu(self) -> float | None:
        return None if self._server is None else _cpu([self._server.pid])


def _cpu(pids: Sequence[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(one.user + one.system for one in times))


@dataclass(frozen=True, order=True)
class Cost:
    """The noise-free costs of one order; Temporal's figures are None for contenders without a history."""

    history_events: int | None
    state_transitions: int | None
    history_bytes: int | None
    transactions: int
    rows: int


async def cost_of(client: Client, flow: Flow, times: int) -> Cost:
    """The most expensive of several, one at a time: concurrent steps may share a workflow task or take two."""
    return max([await _cost_of_one(client, flow) for _ in range(times)], key=lambda one: one.history_events or 0)


async def _cost_of_one(client: Client, flow: Flow) -> Cost:
    """`transactions` are those of all databases of this process meanwhile, and `rows` what they wrote."""
    commits, rows = itertools.count(), [0]

    def commit(_connection: object) -> None:
        next(commits)

    def executed(_connection: Any, cursor: Any, statement: str, *_more: Any) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            rows[0] += max(0, cursor.rowcount)

    event.listen(Engine, "commit", commit)
    event.listen(Engine, "after_cursor_execute", executed)
    try:
        workflow_id = await flow()
    finally:
        event.remove(Engine, "commit", commit)
        event.remove(Engine, "after_cursor_execute", executed)
    try:
        described = await client.get_workflow_handle(workflow_id).describe()
    except RPCError:
        return Cost(None, None, None, next(commits), rows[0])
    info = described.raw_description.workflow_execution_info
    return Cost(info.history_length, info.state_transition_count, info.history_size_bytes, next(commits), rows[0])


def percentile(rounds: Sequence[Round], percent: float) -> float:
    """Of all the orders of these rounds, in seconds."""
    latencies = sorted(itertools.chain.from_iterable(one.latencies for one in rounds))
    return latencies[min(len(latencies) - 1, int(len(latencies) * percent / 100))]


def median(values: Sequence[float | None]) -> float | None:
    """None if one of them is None."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known and len(known) == len(values) else None
