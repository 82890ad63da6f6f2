"""The program's own metrics. Labels are names of its parts: never an order, a customer, or a text from outside."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from kernel.errors import Refusal
from kernel.service import Kind
from observability.calls import Call

PREFIX = "order_saga"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class CallMetrics:
    """Counts and durations since this process began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client has no type for it
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        labels = ("step", "style")
        self._seconds = Histogram(
            f"{PREFIX}_step_seconds",
            "How long one attempt of a service's operation took, by how it ended: done, refused or failed.",
            (*labels, "outcome"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._retries = Counter(
            f"{PREFIX}_step_retries", "Attempts of an operation after its first.", labels, registry=registry
        )
        self._refusals = Counter(
            f"{PREFIX}_step_refusals",
            "Refusals, by the name of the refusal.",
            (*labels, "refusal"),
            registry=registry,
        )
        self._failed_undos = Counter(
            f"{PREFIX}_failed_undos", "Attempts to undo a step that were refused or failed.", labels, registry=registry
        )

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        began, outcome = time.monotonic(), "failed"
        if call.attempt > 1:
            self._retries.labels(call.step, call.style).inc()
        try:
            yield
            outcome = "done"
        except Refusal as refusal:
            outcome = "refused"
            self._refusals.labels(call.step, call.style, refusal.name).inc()
            raise
        finally:
            self._seconds.labels(call.step, call.style, outcome).observe(time.monotonic() - began)
            if call.kind is Kind.UNDO and outcome != "done":
                self._failed_undos.labels(call.step, call.style).inc()
