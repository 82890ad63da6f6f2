"""A part of the worker that fails is run again, and ends nothing else."""

import asyncio

import pytest

from tests.logs import lines_of
from wiring.supervision import Supervised


class Part:
    """Fails this number of times; then it works until it is stopped."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.works = asyncio.Event()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise KeyError("a bug")
        self.works.set()
        await self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()


async def test_a_part_that_fails_is_run_again_until_it_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("wiring.supervision._PAUSE_SECONDS", 0.01)
    part = Part(3)
    supervised = Supervised(part)
    running = asyncio.create_task(supervised.run())
    async with asyncio.timeout(10):
        await part.works.wait()
        supervised.stop()
        await running
    (found,) = lines_of(caplog, "wiring.supervision")
    assert found.startswith("part (part): KeyError: 'a bug' at ")


async def test_a_part_that_goes_on_failing_can_be_stopped() -> None:
    supervised = Supervised(Part(1_000_000))
    running = asyncio.create_task(supervised.run())
    await asyncio.sleep(0)
    supervised.stop()
    async with asyncio.timeout(10):
        await running


async def test_who_cancels_it_cancels_the_part() -> None:
    part = Part(0)
    running = asyncio.create_task(Supervised(part).run())
    async with asyncio.timeout(10):
        await part.works.wait()
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()
