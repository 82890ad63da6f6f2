"""A worker in several processes: a supervisor replaces a process that dies, and all processes end with the supervisor.

The supervisor and each of its processes hold the two ends of a socket. The process reports over it that it is ready,
and sees when the supervisor is gone, even if that was killed.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from settings import Settings
from wiring.program import BAD_END, BAD_INPUT, GOOD
from wiring.stopping import is_asked_to_stop, listening

_log = logging.getLogger("supervisor")

_SOCKET = "WORKER_SUPERVISOR"  # in the environment of each process: the descriptor of its socket
_LOOK_SECONDS = 0.1
_PAUSE_SECONDS = 1.0
_FRESH_SECONDS = 20.0
_LONGER_THAN_GRACE_SECONDS = 10.0


def default_count() -> int:
    """For all roles on one machine: half of the cores, since the server and the databases need the others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)


class Supervisor:
    """This process' end of the supervisor's socket, if a supervisor started it."""

    def __init__(self, settings: Settings) -> None:
        self._grace = settings.shutdown_grace + _LONGER_THAN_GRACE_SECONDS
        descriptor = os.environ.pop(_SOCKET, "")
        self._socket = socket.socket(fileno=int(descriptor)) if descriptor else None
        if self._socket:
            self._socket.setblocking(True)
            threading.Thread(target=self._watch, args=[self._socket], daemon=True).start()

    @property
    def is_there(self) -> bool:
        return self._socket is not None

    def ready(self) -> None:
        if self._socket:
            self._socket.send(b"r")

    def _watch(self, supervisor: socket.socket) -> None:
        with suppress(OSError):
            supervisor.recv(1)  # it never sends anything: this returns when it is gone
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self._grace)
        os._exit(BAD_END)


class _Process:
    """One worker process. The first has the singleton roles and the ports; the others start after it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], number: int) -> None:
        self._command, self._environment, self.number = command, environment, number
        self.is_ready = False
        self.again_at = 0.0
        self._start()

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        environment = {**os.environ, **self._environment, _SOCKET: str(theirs.fileno())}
        self._process = subprocess.Popen(  # noqa: S603 - this program again, with its own arguments
            self._command, env=environment, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()
        self.is_ready = False

    def look(self) -> int | None:
        """Its exit code, once it has ended; else None."""
        with suppress(OSError):
            self.is_ready = self.is_ready or bool(self._socket.recv(1))
        return self._process.poll()

    def replace(self) -> None:
        self._socket.close()
        self._start()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> int:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def supervise(settings: Settings, program: str, roles: Sequence[str], of_one: frozenset[str], count: int) -> int:
    """Run these roles in this many processes until a signal; the exit code.

    Args:
        program: what runs one process, given `--role` and `--processes 1`.
        of_one: the roles that only the first process runs.
    """
    with listening(), tempfile.TemporaryDirectory(prefix="worker-") as folder:

        def process(number: int) -> _Process:
            environment = {"HEARTBEAT": str(_heartbeat(folder, number))} if settings.heartbeat else {}
            if settings.metrics_port:
                environment["METRICS_PORT"] = str(settings.metrics_port + number)
            mine = [role for role in roles if number == 0 or role not in of_one]
            options = [word for role in mine for word in ("--role", role)]
            return _Process([sys.executable, program, "--processes", "1", *options], environment, number)

        processes = [process(0)]
        code = GOOD
        while not is_asked_to_stop():
            for one in processes:
                ended = one.look()
                if ended is None:
                    continue
                if ended == BAD_INPUT and not one.is_ready:
                    code = BAD_INPUT  # it has printed what is wrong, and the others would print the same
                elif not one.again_at:
                    _log.error("process %d ended (%d); starting another", one.number + 1, ended)
                    one.again_at = time.monotonic() + _PAUSE_SECONDS
                elif time.monotonic() > one.again_at:
                    one.again_at = 0.0
                    one.replace()
            if code:
                break
            if len(processes) < count and processes[0].is_ready:
                processes += [process(number) for number in range(1, count)]
            if settings.heartbeat and all(_is_fresh(_heartbeat(folder, one.number)) for one in processes):
                settings.heartbeat.touch()
            time.sleep(_LOOK_SECONDS)
        for one in processes:
            one.stop()
        deadline = time.monotonic() + settings.shutdown_grace + _LONGER_THAN_GRACE_SECONDS
        codes = [one.wait(max(0.1, deadline - time.monotonic())) for one in processes]
        return code or (BAD_END if any(codes) else GOOD)


def _heartbeat(folder: str, number: int) -> Path:
    return Path(folder, f"heartbeat-{number}")


def _is_fresh(heart: Path) -> bool:
    return heart.exists() and time.time() < heart.stat().st_mtime + _FRESH_SECONDS
