"""For how long an event is tried: by time that went by, not by what the system's clock says."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from messaging.bus import Bus, Recorded
from messaging.failure import FailureState
from messaging.subscription import RetryPolicy
from tests.messaging.conftest import Log, event
from tests.messaging.listening import Listener, until

ELEVEN_MINUTES = 660.0


@pytest.fixture
async def bus(sqlite_log: Log) -> AsyncIterator[Bus]:
    async with sqlite_log.opened() as opened:
        yield opened


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Listener]:
    """Its handler fails each time."""

    def fails(_recorded: Recorded) -> None:
        raise ConnectionError("not now")

    listener = Listener(tmp_path)
    listener.before = fails
    yield listener
    listener.close()


def gives_up_after(seconds: float) -> dict[str, object]:
    return {"retry_policy": lambda _event: RetryPolicy(first=0.02, longest=0.05, give_up_after=seconds)}


def steps(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The system's clock, from now on."""
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + seconds)


async def fails_again(listener: Listener, times: int) -> None:
    before = listener.progress.failures(*FailureState)
    attempts = times + (before[0].attempts if before else 0)
    await until(lambda: any(one.attempts >= attempts for one in listener.progress.failures(*FailureState)))


async def test_a_clock_that_steps_forward_gives_nothing_up(
    failing: Listener, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At work, and over a restart."""
    failing.more = gives_up_after(600)
    await bus.append([event("order-1")])
    async with failing.at_work(bus):
        await fails_again(failing, 1)
        steps(monkeypatch, ELEVEN_MINUTES)
        await fails_again(failing, 2)
    steps(monkeypatch, ELEVEN_MINUTES)
    async with failing.at_work(bus):
        await fails_again(failing, 2)
        failing.before = lambda _recorded: None
        await failing.has_handled(1)


async def test_a_clock_that_steps_back_keeps_no_order_waiting(
    failing: Listener, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing.more = gives_up_after(0.3)
    await bus.append([event("order-1")])
    async with failing.at_work(bus):
        await fails_again(failing, 1)
        steps(monkeypatch, -ELEVEN_MINUTES)
        await until(lambda: bool(failing.progress.failures(FailureState.DEAD)))


async def test_what_was_tried_before_a_restart_counts(failing: Listener, bus: Bus) -> None:
    failing.more = gives_up_after(600)
    await bus.append([event("order-1")])
    async with failing.at_work(bus):
        await until(lambda: any(one.tried_seconds > 0.2 for one in failing.progress.failures(*FailureState)))
    failing.more = gives_up_after(0.2)
    async with failing.at_work(bus):
        await until(lambda: bool(failing.progress.failures(FailureState.DEAD)))
    [dead] = failing.progress.failures(FailureState.DEAD)
    failing.progress.requeue(failing.name, dead.id)
    failing.more = gives_up_after(600)
    async with failing.at_work(bus):
        await fails_again(failing, 1)
    assert failing.progress.failures(FailureState.RETRYING)[0].tried_seconds < 0.2
