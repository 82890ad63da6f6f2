"""A NATS server, as pip brings it, with the configuration that the project ships."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from kernel.errors import SettingsError, Unreachable

_CONFIGURATION = Path(__file__).parents[2] / "nats.conf"
_HOST = "127.0.0.1"
_START_SECONDS = 30


class NatsServer:
    """A server of our own; its streams and its log are in the folder, and outlive it."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{_HOST}:{self._port}"

    def start(self) -> None:
        """Raises SettingsError when the port is taken or there is no server, Unreachable when it does not come up."""
        if self._listens():
            raise SettingsError(
                f"port {self._port} is taken, perhaps by another NATS server; stop it, or choose another"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / "nats.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                self._command(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._listens():  # which it does last, when its streams are recovered
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Unreachable(f"the NATS server did not come up; see {log}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """As a crash would; it can be started again."""
        if self._process:
            self._process.kill()
            self._process.wait()

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
