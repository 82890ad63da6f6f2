"""One action on many items, at a limited rate. A failure does not stop the run; an interrupted run can be resumed."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


@dataclass
class Summary:
    """`before` counts what an interrupted run had done before; `failed` has the errors by item id."""

    done: int = 0
    before: int = 0
    failed: dict[str, str] = field(default_factory=dict)


class Journal:
    """The ids that a run has done, on disk, so that the same run can be resumed after an interruption.

    Args:
        what: what identifies the run: the decision, its note, and the query.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self._file = folder / "bulk" / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.txt"
        self.done = frozenset(self._file.read_text().splitlines()) if self._file.exists() else frozenset[str]()

    def __enter__(self) -> Self:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._open = self._file.open("a")
        return self

    def note(self, item_id: str) -> None:
        self._open.write(f"{item_id}\n")
        self._open.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if kind is None:  # the run is complete: the next one starts from the beginning
            self._file.unlink(missing_ok=True)


async def for_each(
    items: Iterable[T],
    id_of: Callable[[T], str],
    act: Callable[[T], Awaitable[object]],
    *,
    per_second: float,
    failures: tuple[type[Exception], ...],
    journal: Journal,
    progress: Callable[[], None],
) -> Summary:
    """Act on each item, at most `per_second`. An exception in `failures` is recorded, and the run goes on.

    `act` must be idempotent: if the process dies just after an item, that item is acted on again.
    """
    summary, turn = Summary(), time.monotonic()
    with journal:
        for item in items:
            item_id = id_of(item)
            if item_id in journal.done:
                summary.before += 1
            else:
                await asyncio.sleep(max(0.0, turn - time.monotonic()))
                turn = max(turn, time.monotonic()) + 1 / per_second
                try:
                    await act(item)
                except failures as error:
                    summary.failed[item_id] = " ".join(str(error).split())[:300] or type(error).__name__
                else:
                    journal.note(item_id)
                    summary.done += 1
            progress()
    return summary
