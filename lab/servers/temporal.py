"""Temporal's dev server from pip, tuned; or the configured server."""

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from temporalio.envconfig import ClientConfig

from kernel.errors import SettingsError
from lab.servers.process import ServerProcess
from settings import Settings
from wiring.temporal import SEARCH_ATTRIBUTES

# docs/performance.md has the measurements behind these.
_TUNING = {
    "history.transferProcessorMaxPollRPS": 200,
    "history.timerProcessorMaxPollRPS": 200,
    "history.visibilityProcessorMaxPollRPS": 200,
    "history.timerProcessorMaxTimeShift": '"50ms"',  # else each retry waits for a second, whatever its own pause is
}
_SQLITE = {"journal_mode": "WAL", "synchronous": "NORMAL"}


class DevServer(ServerProcess):
    """A dev server whose data is in the data folder."""

    def __init__(self, settings: Settings, namespaces: Sequence[str] = ("default",)) -> None:
        super().__init__()
        self._settings = settings
        self._namespaces = namespaces

    @staticmethod
    def is_wanted() -> bool:
        """Whether to start one: not if the environment or a Temporal profile names a server."""
        return not ClientConfig.load_client_connect_config().get("target_host")

    def check_ports(self) -> None:
        """Raises SettingsError when a port is taken."""
        for port, name, other in (
            (self._settings.temporal_port, "TEMPORAL_PORT", 7300),
            (self._settings.ui_port, "UI_PORT", 8300),
        ):
            if _taken(port):
                raise SettingsError(
                    f"port {port} is taken, perhaps by another 'make up' or 'make demo'; stop it, "
                    f"or choose another: make ... {name}={other}"
                )

    def start(self) -> None:
        """Raises SettingsError if a port is taken, Unreachable if the server does not start."""
        settings = self._settings
        self.check_ports()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        command = _command(settings, self._namespaces)
        self._launch("Temporal dev server", command, settings.data_dir / "temporal.log", self._is_healthy)

    def _is_healthy(self) -> bool:
        address = f"127.0.0.1:{self._settings.temporal_port}"
        health = [str(_temporal()), "operator", "cluster", "health", "--address", address]
        return subprocess.run(health, capture_output=True, check=False).returncode == 0


def _temporal() -> Path:
    temporal = Path(sys.executable).with_name("temporal")
    if not temporal.exists():
        raise SettingsError(
            "no Temporal dev server for this platform came by pip: install the Temporal CLI beside python, "
            "or set TEMPORAL_ADDRESS to a server"
        )
    return temporal


def _command(settings: Settings, namespaces: Sequence[str]) -> list[str]:
    command = [str(_temporal()), "server", "start-dev", "--log-level", "error"]
    command += ["--port", str(settings.temporal_port), "--ui-port", str(settings.ui_port)]
    command += ["--db-filename", str(settings.data_dir / "temporal.db")]
    for namespace in namespaces:
        command += ["--namespace", namespace]
    for attribute in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{attribute.name}=Keyword"]
    for key, value in _TUNING.items():
        command += ["--dynamic-config-value", f"{key}={value}"]
    for key, pragma in _SQLITE.items():
        command += ["--sqlite-pragma", f"{key}={pragma}"]
    return command


def _taken(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex(("127.0.0.1", port)) == 0
