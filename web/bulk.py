"""Runs of one act on many entries, by `client/bulk.py`; an interrupted run can be continued."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from client.bulk import Journal, Summary, for_each
from wiring.failures import PASSING


@dataclass(frozen=True)
class BulkRun:
    """One act on these entries, at most `rate` a second."""

    act: str
    note: str
    actor: str
    rate: float
    entries: tuple[str, ...]

    @property
    def id(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


@dataclass
class Progress:
    """How far a run is. `summary` is None until it is complete; `is_running` is false if it was interrupted."""

    run: BulkRun
    seen: int = 0
    summary: Summary | None = None
    is_running: bool = False


class BulkRuns:
    """The runs of this process, and those on disk that another one left.

    Args:
        folder: where the journals of `client/bulk.py` are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Progress] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, run: BulkRun, act: Callable[[str], Awaitable[object]]) -> Progress:
        """Start or continue the run, unless it is running."""
        if (known := self._known.get(run.id)) and known.is_running:
            return known
        progress = self._known[run.id] = Progress(run, is_running=True)
        file = self._file(run.id)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(run)))
        self._tasks[run.id] = asyncio.create_task(self._run(progress, act))
        return progress

    def find(self, run_id: str) -> Progress | None:
        """The run's progress; None if there is no such run."""
        if run_id in self._known:
            return self._known[run_id]
        try:
            document = json.loads(self._file(run_id).read_text())
        except (FileNotFoundError, ValueError):
            return None
        run = BulkRun(**document | {"entries": tuple(document["entries"])})
        return Progress(run, seen=len(Journal(self._folder, run.id).done))

    async def close(self) -> None:
        """Interrupt what is running; it can be continued."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, progress: Progress, act: Callable[[str], Awaitable[object]]) -> None:
        run = progress.run

        def seen() -> None:
            progress.seen += 1

        try:
            progress.summary = await for_each(
                run.entries,
                lambda entry: entry,
                act,
                per_second=run.rate,
                failures=PASSING,
                journal=Journal(self._folder, run.id),
                progress=seen,
            )
            self._file(run.id).unlink(missing_ok=True)
        finally:
            progress.is_running = False

    def _file(self, run_id: str) -> Path:
        return self._folder / "bulk" / f"page-{run_id}.json"
