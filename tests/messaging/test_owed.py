"""What a consumer owes is found again from its own records alone, wherever it was stopped."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from kernel.envelope import CloudEvent
from messaging.bus import Bus, BusDown, Recorded, partition_of
from messaging.failure import DeliveryFailure, FailureState
from messaging.locks import FileLocks
from messaging.subscription import NonRetryable, RetryPolicy
from tests.messaging.conftest import Log, event, events, ids
from tests.messaging.listening import Gate, Listener, until

PATIENT = RetryPolicy(first=0.02, longest=0.05, give_up_after=300)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path / "first")
    yield made
    made.close()


@pytest.fixture
async def sqlite_bus(sqlite_log: Log) -> AsyncIterator[Bus]:
    async with sqlite_log.opened() as opened:
        yield opened


def same_partition(order: str, but_for: Sequence[str] = ()) -> str:
    candidates = (f"other-{n}" for n in range(1000))
    return next(one for one in candidates if partition_of(one) == partition_of(order) and one not in but_for)


class Broken:
    """Fails for one event until it is mended."""

    def __init__(self, event_id: str, error: type[Exception]) -> None:
        self.event_id = event_id
        self.error = error
        self.is_mended = False

    def __call__(self, recorded: Recorded) -> None:
        if recorded.event.id == self.event_id and not self.is_mended:
            raise self.error("not now")


async def dead_letter_that_fails_again(listener: Listener, bus: Bus, broken: Broken) -> None:
    """Sent again, it is tried in vain; the worker is at work still, and its position is past it."""
    listener.before = broken
    await bus.append([event("order-1"), event("order-1", 2)])
    async with listener.at_work(bus):
        await until(lambda: bool(listener.progress.failures(FailureState.DEAD)))
        await listener.has_handled(1)
    assert listener.progress.positions("listener")[partition_of("order-1")] > 1
    broken.error = ConnectionError  # from now on, worth another attempt
    listener.more = {"retry_policy": lambda _event: PATIENT}
    listener.progress.requeue("listener", "order-1:1")


async def test_a_dead_letter_sent_again_that_fails_once_more_is_tried_again_after_a_restart(
    listener: Listener, sqlite_bus: Bus
) -> None:
    broken = Broken("order-1:1", NonRetryable)
    await dead_letter_that_fails_again(listener, sqlite_bus, broken)
    async with listener.at_work(sqlite_bus):
        await until(lambda: bool(listener.progress.failures(FailureState.RETRYING)))
    broken.is_mended = True
    async with listener.at_work(sqlite_bus):
        await listener.has_handled(2)
        await until(lambda: listener.progress.failures(*FailureState) == [])
    assert listener.handled() == ["order-1:2", "order-1:1"]


async def test_a_dead_letter_sent_again_that_fails_once_more_goes_over_to_another_worker(
    listener: Listener, sqlite_log: Log
) -> None:
    """Both are healthy; the partition changes hands while the first one waits for its next attempt."""
    broken = Broken("order-1:1", NonRetryable)
    other = Listener(listener.folder)
    async with sqlite_log.opened() as first, sqlite_log.opened() as second:
        await dead_letter_that_fails_again(listener, first, broken)
        async with listener.at_work(first):
            await until(lambda: bool(listener.progress.failures(FailureState.RETRYING)))
            async with other.at_work(second):
                await other.has_handled(2)
    assert other.handled() == ["order-1:2", "order-1:1"]
    other.close()


async def test_what_failed_before_a_stop_is_handled_before_what_follows_of_its_order(
    listener: Listener, sqlite_bus: Bus
) -> None:
    broken = Broken("order-1:1", ConnectionError)
    listener.before = broken
    listener.more = {"retry_policy": lambda _event: PATIENT}
    await sqlite_bus.append(events("order-1", range(1, 4)))
    async with listener.at_work(sqlite_bus):
        await until(lambda: bool(listener.progress.failures(FailureState.RETRYING)))
    broken.is_mended = True
    async with listener.at_work(sqlite_bus):
        await listener.has_handled(3)
    assert listener.handled() == ["order-1:1", "order-1:2", "order-1:3"]


async def test_a_position_is_never_saved_past_what_is_not_handled_yet(listener: Listener, sqlite_bus: Bus) -> None:
    """A process that dies leaves its records; the next one reads on from there, and misses nothing."""
    held = same_partition("order-1")
    after = same_partition("order-1", but_for=[held])
    listener.before = gate = Gate(held)
    partition = partition_of(held)
    await sqlite_bus.append([event("order-1"), event(held), event(after)])
    async with listener.at_work(sqlite_bus):
        await listener.has_handled(2)
        assert gate.reached.is_set()
        await until(lambda: listener.progress.positions("listener")[partition] > 0)
        heir = what_is_left_if_it_dies_now(listener)
        gate.open.set()
    async with heir.at_work(sqlite_bus):
        await heir.has_handled(3, seconds=5)
    assert heir.handled() == ["order-1:1", f"{after}:1", f"{held}:1"]
    heir.close()


def what_is_left_if_it_dies_now(listener: Listener) -> Listener:
    folder = listener.folder.with_name("second")
    folder.mkdir()
    for file in listener.folder.glob("*.db"):
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(folder / file.name)) as copy:
            source.backup(copy)
    shutil.rmtree(folder / "locks", ignore_errors=True)
    return Listener(folder)


class CannotAppend:
    """A bus on which nothing can be published for now, though it can be read."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.attempts = 0

    async def append(self, events: Sequence[CloudEvent]) -> None:
        self.attempts += 1
        raise BusDown("not now")

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)


async def test_a_dead_letter_is_one_only_when_its_event_is_published(listener: Listener, sqlite_bus: Bus) -> None:
    """Stopped between the two, it is published by its next holder; nobody is left without a word."""
    listener.before = Broken("order-1:1", NonRetryable)
    listener.more = {"on_dead_letter": given_up}
    await sqlite_bus.append([event("order-1")])
    silent = CannotAppend(sqlite_bus)
    mute: Bus = silent  # type: ignore[assignment] # the rest is the bus' own
    async with listener.at_work(mute):
        await until(lambda: silent.attempts > 0)
        assert listener.progress.failures(FailureState.DEAD) == []
    async with listener.at_work(sqlite_bus):
        await until(lambda: bool(listener.progress.failures(FailureState.DEAD)), seconds=5)
    assert ids(await sqlite_bus.of("order-1")) == ["order-1:1", "order-1:1:given-up"]


def given_up(failure: DeliveryFailure, _of_order: object) -> CloudEvent:
    about = failure.recorded.event
    return about.model_copy(update={"id": f"{about.id}:given-up", "type": "GivenUp", "causationid": about.id})


async def test_a_dead_letter_whose_event_cannot_be_made_is_one_nevertheless(
    listener: Listener, sqlite_bus: Bus
) -> None:
    def bug(_failure: DeliveryFailure, _of_order: object) -> CloudEvent:
        raise KeyError("total")

    listener.before = Broken("order-1:1", NonRetryable)
    listener.more = {"on_dead_letter": bug}
    await sqlite_bus.append([event("order-1"), event("order-1", 2)])
    async with listener.at_work(sqlite_bus):
        await listener.has_handled(1)
    assert [one.id for one in listener.progress.failures(FailureState.DEAD)] == ["order-1:1"]


async def test_a_partition_is_served_by_who_has_its_lock_and_by_nobody_else(
    listener: Listener, sqlite_log: Log
) -> None:
    other, seen = Listener(listener.folder), list[str]()
    other.before = lambda recorded: seen.append(recorded.event.id)
    listener.before = gate = Gate("order-1")
    queue, locks = f"listener-{partition_of('order-1')}-next", FileLocks(listener.folder / "locks")

    def waits_in_line() -> bool:
        if locks.take(queue):
            locks.release(queue)
            return False
        return True

    async with sqlite_log.opened() as first, sqlite_log.opened() as second:
        await first.append([event("order-1")])
        async with listener.at_work(first):
            await asyncio.to_thread(gate.reached.wait, 10)
            async with other.at_work(second):
                await until(lambda: bool(seen) or waits_in_line())
                assert seen == []
                gate.open.set()
                await listener.has_handled(1)
    locks.close()
    other.close()


@pytest.mark.parametrize("give_up", ["leave", "discard"])
async def test_what_was_given_up_is_not_handled_because_it_is_read_again(
    listener: Listener, sqlite_bus: Bus, give_up: str
) -> None:
    """A replay, or a process that died before its position was saved; only an operator may decide so."""
    broken = Broken("order-1:1", NonRetryable)
    listener.before = broken
    await sqlite_bus.append(events("order-1", range(1, 3)))
    async with listener.at_work(sqlite_bus):
        await until(lambda: bool(listener.progress.failures(FailureState.DEAD)))
        await listener.has_handled(1)
    if give_up == "discard":
        assert listener.progress.discard("listener", "order-1:1", "not needed")
    broken.is_mended = True
    listener.progress.save("listener", partition_of("order-1"), 0)
    async with listener.at_work(sqlite_bus):
        await until(lambda: listener.repeats() == 1)  # it is past both
    assert listener.handled() == ["order-1:2"]
    expected = FailureState.DISCARDED if give_up == "discard" else FailureState.DEAD
    assert [one.state for one in listener.progress.failures(*FailureState)] == [expected]


def test_a_record_changes_only_as_its_states_allow(listener: Listener) -> None:
    progress, about = listener.progress, Recorded(1, event("order-1"))
    assert not progress.requeue("listener", "order-1:1")  # there is none
    progress.failed("listener", about, "not now")
    assert not progress.requeue("listener", "order-1:1")
    assert not progress.discard("listener", "order-1:1", "why")
    assert progress.mark_dead("listener", "order-1:1")
    assert not progress.mark_dead("listener", "order-1:1")
    assert progress.failed("listener", about, "late").state is FailureState.DEAD
    assert progress.requeue("listener", "order-1:1")
    assert not progress.requeue("listener", "order-1:1")
    assert not progress.discard("listener", "order-1:1", "why")
    assert progress.failed("listener", about, "again").state is FailureState.RETRYING
    assert progress.mark_dead("listener", "order-1:1")
    assert progress.discard("listener", "order-1:1", "why")
    assert not progress.requeue("listener", "order-1:1")
    progress.settle("listener", "order-1:1")
    assert [one.state for one in progress.failures(*FailureState)] == [FailureState.DISCARDED]
