"""A shop of both styles whose worker, in this process, is observed: what its one port says."""

import asyncio
import json
import logging
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from lab.faults import faults_of
from lab.settings import LabSettings
from tests.choreographed import ChoreographedShop, clients_of
from tests.shop import ShopUnderTest
from wiring.bus_roles import on_the_bus
from wiring.observer import Observer, RunningWorker, observer_of
from wiring.operations import operations_worker
from wiring.roles import BY_DEFAULT, OPERATIONS
from wiring.services import Services
from wiring.supervision import Parts
from worker import build

NAMESPACE = "observed"

Labels = frozenset[tuple[str, str]]


class Port:
    """What the process serves."""

    def __init__(self, number: int) -> None:
        self.number = number

    async def get(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(self._get, path)

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.number}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    async def metrics(self) -> dict[tuple[str, Labels], float]:
        status, text = await self.get("/metrics")
        assert status == 200, text
        families = text_string_to_metric_families(text)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    async def value(self, metric: str, **labels: str) -> float | None:
        """The highest of the series with these labels; None if there is none."""
        wanted = set(labels.items())
        found = [value for (name, its), value in (await self.metrics()).items() if name == metric and wanted <= its]
        return max(found, default=None)

    async def until(self, metric: str, above: float | None = None, at_most: float | None = None, **labels: str) -> None:
        """Until its value has crossed this number."""
        async with asyncio.timeout(30):
            while True:
                value = await self.value(metric, **labels)
                if value is not None and (value > above if above is not None else value <= (at_most or 0)):
                    return
                await asyncio.sleep(0.1)

    async def until_ready(self) -> None:
        async with asyncio.timeout(30):
            while await self.ready():
                await asyncio.sleep(0.05)

    async def ready(self) -> dict[str, str]:
        """What is not ready, and why."""
        status, text = await self.get("/readyz")
        document = json.loads(text)
        assert document["ready"] == (status == 200)
        return {name: problem for name, problem in document["checks"].items() if problem != "ok"}


@dataclass(frozen=True)
class ObservedShop:
    orchestrated: ShopUnderTest
    choreographed: ChoreographedShop
    port: Port
    services: Services


async def _client_of(observer: Observer, settings: LabSettings, namespace: str) -> Client:
    return await Client.connect(
        f"127.0.0.1:{settings.temporal_port}",
        namespace=namespace,
        data_converter=pydantic_data_converter,
        runtime=observer.runtime,
    )


@asynccontextmanager
async def observed_shop(
    settings: LabSettings, roles: Sequence[str] = BY_DEFAULT, namespace: str = NAMESPACE
) -> AsyncIterator[ObservedShop]:
    """With the product's own worker, put together as `worker.py` does."""
    observer = observer_of(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(observer.serving())
        services = Services(settings, observer.wrap(faults_of(settings)))
        stack.callback(services.close)
        services.open_all(roles)
        client = await _client_of(observer, settings, namespace)
        workers = build(client, settings, services, roles, observer.interceptors)
        if OPERATIONS in roles:
            workers.append(await operations_worker(client, settings, observer.interceptors))
        parts = Parts()
        await stack.enter_async_context(on_the_bus(settings, services, roles, parts))
        for worker in workers:
            await stack.enter_async_context(worker)
        observer.started(RunningWorker(roles, services, client, workers, parts))
        choreographed = await stack.enter_async_context(clients_of(settings))
        yield ObservedShop(ShopUnderTest(settings, client), choreographed, Port(settings.metrics_port or 0), services)


@contextmanager
def logged(formatter: logging.Formatter) -> Iterator[StringIO]:
    """What this process logs meanwhile, as it is formatted."""
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    root, level = logging.getLogger(), logging.getLogger().level
    others, root.handlers = root.handlers, [handler]  # pytest cannot report what is no UTF-8
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.handlers = others
        root.setLevel(level)


def documents(lines: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]
