"""Connects metrics, health and structured logs to a worker; without settings for them, none of them is imported."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.errors import SettingsError
from kernel.service import Wrap
from kernel.visible import VisibleFormatter
from settings import LogFormat, Settings

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.runtime import Runtime
    from temporalio.worker import Interceptor, Worker

    from wiring.services import Services
    from wiring.supervision import Parts


@dataclass(frozen=True)
class RunningWorker:
    """A worker's process, once everything in it runs. `parts` has the state of its parts."""

    roles: Sequence[str]
    services: Services
    client: Client | None
    temporal_workers: Sequence[Worker]
    parts: Parts


class Observer:
    """Observes a worker without changing what it does. This one observes nothing."""

    runtime: Runtime | None = None
    interceptors: Sequence[Interceptor] = ()

    def formatter(self) -> logging.Formatter:
        return VisibleFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def wrap(self, wrap: Wrap) -> Wrap:
        """`wrap`, with observation around each service."""
        return wrap

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serves from the start of the process to its end. Raises SettingsError."""
        yield

    def started(self, worker: RunningWorker) -> None:
        """The worker runs: from now on, its readiness and its metrics can be read."""

    def stopping(self) -> None:
        """The worker is not ready any more."""


def observer_of(settings: Settings) -> Observer:
    """Raises SettingsError."""
    if settings.metrics_port is None and settings.log_format is LogFormat.TEXT:
        return Observer()
    try:
        from wiring.observability import observing
    except ModuleNotFoundError as error:
        raise SettingsError(f"METRICS_PORT and LOG_FORMAT need {error.name}, which is not installed") from None
    return observing(settings)
