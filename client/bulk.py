"""One decision on many things, at a pace: a failure stops nothing, and an interrupted run goes on where it was."""

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
    """`before` were done by an earlier run that was interrupted; `failed` says why, by id."""

    done: int = 0
    before: int = 0
    failed: dict[str, str] = field(default_factory=dict)


class Journal:
    """What a run has done, on disk, so that the same run goes on behind it when it was interrupted.

    Args:
        what: everything that makes it the same run: the decision, its note, and the query.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self._file = folder / "bulk" / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.txt"
        self.done = frozenset(self._file.read_text().splitlines()) if self._file.exists() else frozenset[str]()

    def __enter__(self) -> Self:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._open = self._file.open("a")
        return self

    def note(self, its_id: str) -> None:
        self._open.write(f"{its_id}\n")
        self._open.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if kind is None:  # it came to its end: the next one is another run
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
    """Act on each, `per_second` at most. An exception of `failures` is that one's failure, and the next one follows.

    One on which somebody has acted just before the process died is acted on again: each act must be harmless twice.
    """
    summary, turn = Summary(), time.monotonic()
    with journal:
        for item in items:
            its_id = id_of(item)
            if its_id in journal.done:
                summary.before += 1
            else:
                await asyncio.sleep(max(0.0, turn - time.monotonic()))
                turn = max(turn, time.monotonic()) + 1 / per_second
                try:
                    await act(item)
                except failures as error:
                    summary.failed[its_id] = " ".join(str(error).split())[:300] or type(error).__name__
                else:
                    journal.note(its_id)
                    summary.done += 1
            progress()
    return summary
