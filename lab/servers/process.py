"""A server that runs as a child process."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kernel.errors import Unreachable
from lab import children

_START_SECONDS = 30
_LOOK_SECONDS = 0.02


class ServerProcess:
    """A subclass adds `start`, which launches its command."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _launch(self, name: str, command: Sequence[str], log: Path, is_up: Callable[[], bool]) -> None:
        """Start it, and wait until it answers. Raises Unreachable if it does not."""
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        children.started(self._process.pid)
        deadline = time.monotonic() + _START_SECONDS
        while not is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Unreachable(f"the {name} did not start; see {log}")
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reap()

    def kill(self) -> None:
        """Kill it; it can be started again."""
        if self._process:
            self._process.kill()
            self._reap()

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait()
        children.ended(self._process.pid)
