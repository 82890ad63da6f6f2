"""Constructs a worker's observability: metrics and health on one port, and structured logs."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from kernel.errors import SettingsError
from kernel.service import Wrap
from kernel.visible import visible_json
from observability import samples
from observability.calls import Around, around_calls
from observability.checks import Inquiry, Question
from observability.http import Answer, Server
from observability.metrics import CallMetrics
from observability.samples import Sample
from observability.sdk import SdkMetrics
from settings import LogFormat, Settings
from wiring.health import readiness
from wiring.observed import Observed
from wiring.observer import Observer, RunningWorker

T = TypeVar("T")

_TIMEOUT_SECONDS = 15
_SDK = "temporal-sdk"


def observing(settings: Settings) -> Observer:
    return _Observing(settings)


class _Observing(Observer):
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._around: list[Around] = []
        self._registry = CollectorRegistry()
        self._worker: Observed | None = None
        self._is_stopping = False
        self._sampling, self._checking = Inquiry[list[Sample]](), Inquiry[None]()
        self._sdk: SdkMetrics | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        if settings.log_format is not LogFormat.TEXT:
            from observability import logs
            from observability.activities import LoggedActivities

            self._around.append(logs.around)
            self.interceptors = [LoggedActivities()]
        if settings.metrics_port is not None:
            self._around.append(CallMetrics(self._registry).around)
            self._sdk = SdkMetrics()
            self.runtime = self._sdk.runtime

    def formatter(self) -> logging.Formatter:
        if self._settings.log_format is LogFormat.TEXT:
            return super().formatter()
        from observability import logs

        return logs.formatter(as_json=self._settings.log_format is LogFormat.JSON)

    def wrap(self, wrap: Wrap) -> Wrap:
        return around_calls(self._around, wrap)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        if self._settings.metrics_port is None:
            yield
            return
        self._loop = asyncio.get_running_loop()
        routes = {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._readiness}
        host, port = self._settings.metrics_host, self._settings.metrics_port
        try:
            server = Server(host, port, routes)
        except OSError as error:
            raise SettingsError(f"METRICS_PORT: cannot listen on {host}:{port}: {error.strerror or error}") from None
        server.start()
        try:
            yield
        finally:
            await asyncio.to_thread(server.stop)
            if self._worker:
                await self._worker.close()

    def started(self, worker: RunningWorker) -> None:
        self._worker = Observed(self._settings, worker)

    def stopping(self) -> None:
        self._is_stopping = True

    def _metrics(self) -> Answer:
        taken = self._from_loop(self._samples())
        if taken is None:
            return Answer(b"the process does not answer\n", HTTPStatus.SERVICE_UNAVAILABLE)
        texts = [generate_latest(self._registry)]
        unread = dict[str, str]()
        if self._sdk:
            try:
                texts.append(self._sdk.read())
            except OSError as error:
                unread[_SDK] = str(error)
        taken += samples.unreadable([_SDK], unread)
        texts.append(generate_latest(_registry_of(samples.families(taken))))
        return Answer(b"".join(texts), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _health(self) -> Answer:
        """Whether the event loop runs: a process whose loop hangs must be restarted."""
        alive = self._from_loop(_nothing()) is not None
        return Answer(b"ok\n") if alive else Answer(b"the process does not answer\n", HTTPStatus.SERVICE_UNAVAILABLE)

    def _readiness(self) -> Answer:
        found = self._from_loop(self._checked()) or {"process": "does not answer"}
        is_ready = not any(found.values())
        document = {"ready": is_ready, "checks": {name: problem or "ok" for name, problem in sorted(found.items())}}
        body = visible_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(body.encode(), status, "application/json")

    async def _samples(self) -> list[Sample]:
        questions: dict[str, Question[list[Sample]]] = self._worker.sources() if self._worker else {}
        answers, unread = await self._sampling.ask(questions)
        return [*(one for taken in answers.values() for one in taken), *samples.unreadable(questions, unread)]

    async def _checked(self) -> dict[str, str]:
        """The problem of each part; empty for a part that works."""
        if self._worker is None or self._is_stopping:
            return {"process": "is stopping" if self._is_stopping else "is starting"}
        checks = readiness(self._worker)
        _, failures = await self._checking.ask(checks)
        return dict.fromkeys(checks, "") | failures

    def _from_loop(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run it in the process' event loop, from another thread; None if the loop does not answer."""
        assert self._loop is not None
        try:
            asked = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # it is closed
            work.close()
            return None
        try:
            return asked.result(_TIMEOUT_SECONDS)
        except (TimeoutError, CancelledError):
            asked.cancel()
            return None


class _Given(Collector):
    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._families


def _registry_of(families: Iterable[GaugeMetricFamily]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(families))
    return registry


async def _nothing() -> bool:
    return True
