"""Runs the worker as a process, and restarts it when it dies, as a container engine would."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from lab import children
from lab.settings import LabSettings

_ROOT = Path(__file__).parent.parent
_PAUSE_SECONDS = 0.2
_BAD_SETTINGS = 2
_BESIDE_THE_WORKER = 100


class WorkerProcess:
    """`worker.py` with these settings in its environment; its output goes to `log`, or to this terminal.

    Args:
        program: another program of the laboratory to run instead of the worker.
        environment: replaces this process' environment and any `.env` file.
    """

    def __init__(
        self,
        settings: LabSettings,
        *arguments: str,
        log: Path | None = None,
        program: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = None if environment is None else settings.data_dir
        self._environment = {**(os.environ if environment is None else environment)} | {
            "DATA_DIR": str(settings.data_dir),
            "TEMPORAL_PORT": str(settings.temporal_port),
            "UI_PORT": str(settings.ui_port),
            "FAULTS": settings.faults,
            "PROCESSES": str(settings.processes or 1),  # one, so that who kills it has killed the worker
            "PYTHONPATH": str(_ROOT),
            "BUS_URL": settings.bus_url,
            "BUS_STREAM": settings.bus_stream,
            "SCHEDULES__RECONCILIATION_EVERY": str(settings.schedules.reconciliation_every),
            "SCHEDULES__AUDIT_EVERY": str(settings.schedules.audit_every),
        }
        if settings.metrics_port:  # those of the worker's processes come one after the other
            port = settings.metrics_port + (_BESIDE_THE_WORKER if program else 0)
            self._environment["METRICS_PORT"] = str(port)
        # Faults come from the laboratory; without them it is the very worker that is deployed.
        faulty = "worker" if settings.faults else ""
        self._program = ["-m", "lab", program or faulty] if program or faulty else [str(_ROOT / "worker.py")]
        self._name = program or "worker"
        self._arguments = arguments
        self._log = log
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_running, daemon=True)
        self.restarts = 0
        self.exit_code: int | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the worker has stopped without a restart. Returns whether it has."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Stop the worker gracefully."""
        self._stopping.set()
        deadline = time.monotonic() + 60
        while self._thread.is_alive() and time.monotonic() < deadline:
            # Again and again: it may be starting at this very moment.
            if self._process and self._process.poll() is None:
                self._process.terminate()
            self._thread.join(0.5)

    def kill(self) -> None:
        """Kill the worker; it is restarted, unless it is being stopped."""
        if self._process:
            self._process.kill()

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            self._run_once()
            if self.exit_code == _BAD_SETTINGS and not self.restarts:
                return  # it has said what is wrong, and would say it again
            if not self._stopping.wait(_PAUSE_SECONDS):
                self.restarts += 1
                self._say(f"the {self._name} died ({self.exit_code}); starting it again\n")

    def _run_once(self) -> None:
        output: IO[bytes] | None = self._log.open("ab") if self._log else None
        try:
            self._process = subprocess.Popen(
                [sys.executable, *self._program, *self._arguments],
                env=self._environment,
                cwd=self._folder,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,  # Ctrl-C is ours to pass on, in order
            )
            children.started(self._process.pid)
            self.exit_code = self._process.wait()
            children.ended(self._process.pid)
        finally:
            if output:
                output.close()

    def _say(self, text: str) -> None:
        if self._log:
            with self._log.open("a") as log:
                log.write(text)
        else:
            sys.stderr.write(text)
