"""A run of one act on many entries: interrupted, and continued by another process."""

import asyncio
from pathlib import Path

from client.errors import NotNow
from web.bulk import BulkRun, BulkRuns

RUN = BulkRun(act="retry", note="", actor="an operator", rate=1000, entries=("a", "b", "c"))


async def test_an_interrupted_run_is_continued_and_counts_what_failed(tmp_path: Path) -> None:
    acted, at_the_second = list[str](), asyncio.Event()

    async def stops(entry: str) -> None:
        if entry == "b":
            at_the_second.set()
            await asyncio.Event().wait()
        acted.append(entry)

    first = BulkRuns(tmp_path)
    first.start(RUN, stops)
    await at_the_second.wait()
    await first.close()

    second = BulkRuns(tmp_path)
    found = second.find(RUN.id)
    assert found is not None
    assert (found.run, found.seen, found.is_running) == (RUN, 1, False)

    complete = asyncio.Event()

    async def goes_on(entry: str) -> None:
        acted.append(entry)
        if entry == "c":
            complete.set()
            raise NotNow("it needs this no longer")

    progress = second.start(RUN, goes_on)
    await complete.wait()
    await asyncio.gather(*second._tasks.values())
    assert acted == ["a", "b", "c"]
    assert progress.summary is not None
    assert (progress.summary.before, progress.summary.done) == (1, 1)
    assert progress.summary.failed == {"c": "it needs this no longer"}
    assert BulkRuns(tmp_path).find(RUN.id) is None
