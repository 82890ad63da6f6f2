"""Kills the worker repeatedly, and measures its recovery."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from kernel.errors import Unreachable
from kernel.waiting import is_set_within
from lab.worker_process import WorkerProcess

_READY = b" worker: ready: "
_COMES_UP_SECONDS = 120
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Kill:
    """`at` is in seconds since 1970, `ready_after` in seconds from then."""

    at: float
    ready_after: float


class Readiness:
    """How often the worker has logged that it is ready."""

    def __init__(self, worker: WorkerProcess, log: Path) -> None:
        self._worker = worker
        self._log = log
        self._read = self._times = 0

    def times(self) -> int:
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(self._read)
                news = log.read()
            whole_lines = news[: news.rfind(b"\n") + 1]
            self._read += len(whole_lines)
            self._times += whole_lines.count(_READY)
        return self._times

    async def more_than(self, times: int) -> None:
        """Wait until that number grows. Raises Unreachable."""
        deadline = time.monotonic() + _COMES_UP_SECONDS
        while self.times() <= times:
            if self._worker.wait(0) or time.monotonic() > deadline:
                raise Unreachable(f"the worker did not start; its last log lines: {self._last_words()}")
            await asyncio.sleep(_LOOK_SECONDS)

    def _last_words(self) -> str:
        said = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        return next((line[:300] for line in reversed(said) if line.strip()), "none")


class Killer:
    """Sends SIGKILL to the worker each time that it has been ready for `every` seconds; for None, never."""

    def __init__(self, worker: WorkerProcess, readiness: Readiness, every: float | None) -> None:
        self._worker = worker
        self._readiness = readiness
        self._every = every
        self._stopping = asyncio.Event()
        self.kills: list[Kill] = []

    async def run(self) -> None:
        """Returns when the worker is ready. Raises Unreachable."""
        while not await is_set_within(self._stopping, self._every):
            times = self._readiness.times()
            killed_at = time.time()
            self._worker.kill()
            await self._readiness.more_than(times)
            self.kills.append(Kill(killed_at, time.time() - killed_at))

    def stop(self) -> None:
        self._stopping.set()
