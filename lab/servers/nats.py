"""A NATS server from pip, with the project's configuration."""

import socket
import sys
from pathlib import Path

from kernel.errors import SettingsError
from lab.servers.process import ServerProcess

_CONFIGURATION = Path(__file__).parents[2] / "nats.conf"
_HOST = "127.0.0.1"


class NatsServer(ServerProcess):
    """A server whose streams and log stay in the folder."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__()
        self._folder = folder
        self._port = port

    @property
    def url(self) -> str:
        return f"nats://{_HOST}:{self._port}"

    def start(self) -> None:
        """Raises SettingsError if the port is taken or no server is installed, Unreachable if it does not start."""
        if self._listens():
            raise SettingsError(
                f"port {self._port} is taken, perhaps by another NATS server; stop it, or choose another"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        # It listens last, when its streams are recovered.
        self._launch("NATS server", self._command(), self._folder / "nats.log", self._listens)

    def _command(self) -> list[str]:
        command = [str(_nats_server()), "--config", str(_CONFIGURATION), "--addr", _HOST, "--port", str(self._port)]
        return [*command, "--store_dir", str(self._folder)]

    def _listens(self) -> bool:
        with socket.socket() as attempt:
            attempt.settimeout(1)
            return attempt.connect_ex((_HOST, self._port)) == 0


def _nats_server() -> Path:
    server = Path(sys.executable).with_name("nats-server")
    if not server.exists():
        raise SettingsError(
            "no NATS server for this platform came by pip: install nats-server beside python, or name a running one"
        )
    return server
