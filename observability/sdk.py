"""The Temporal SDK's own metrics, which the SDK serves itself: on a loopback port that only this process reads."""

import socket
import urllib.request

from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

_ATTEMPTS = 5
_TIMEOUT_SECONDS = 3


class SdkMetrics:
    """A runtime for the process' Temporal client, and the metrics that it collects."""

    def __init__(self) -> None:
        self.runtime, self._url = _runtime()

    def read(self) -> bytes:
        """In Prometheus' text format. Raises OSError."""
        with urllib.request.urlopen(self._url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - our own address
            text: bytes = answer.read()
        return text


def _runtime() -> tuple[Runtime, str]:
    """The SDK takes an address and does not report which port it got, so a free port is looked for first."""
    for attempt in range(1, _ATTEMPTS + 1):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        config = PrometheusConfig(
            bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
        )
        try:
            return Runtime(telemetry=TelemetryConfig(metrics=config)), f"http://{address}/metrics"
        except (RuntimeError, ValueError, OSError):  # another process took the port meanwhile
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError
