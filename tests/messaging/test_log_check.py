"""A log that is not the one that was read: nothing of it is passed over in silence, and there is a way back."""

import logging
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.servers.nats import NatsServer
from messaging import partition
from messaging.bus import Bus, Mark, partition_of
from messaging.log_check import adopt, problem
from tests.conftest import free_port
from tests.messaging.conftest import events, ids, read_all
from tests.messaging.fates import Fate, SqlFate
from tests.messaging.listening import Listener, until
from tests.messaging.nats_fate import NatsFate
from tests.messaging.test_nats_log import append_in_spite_of_outages

ORDER = "order-1"
PARTITION = partition_of(ORDER)

Happening = Callable[[Fate, Listener], Coroutine[Any, Any, None]]


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_fate(request: pytest.FixtureRequest) -> SqlFate:
    return SqlFate(request.getfixturevalue(f"{request.param}_databases"))


@pytest.fixture
def nats_fate(tmp_path: Path) -> Iterator[NatsFate]:
    folder = tmp_path / "nats"
    server = NatsServer(folder, free_port())
    server.start()
    yield NatsFate(server, folder, tmp_path / "backup")
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql", "nats"])
def fate(request: pytest.FixtureRequest) -> Fate:
    if request.param == "nats":
        of_nats: Fate = request.getfixturevalue("nats_fate")
        return of_nats
    return SqlFate(request.getfixturevalue(f"{request.param}_databases"))


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    yield made
    made.close()


def numbered(*numbers: int) -> list[str]:
    return [f"{ORDER}:{number}" for number in numbers]


async def receive(fate: Fate, listener: Listener, numbers: range) -> None:
    """Append these, and have the listener handle all that is new to it."""
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, numbers))
        async with listener.at_work(bus):
            await listener.has_handled(len(listener.handled()) + len(numbers))


async def lost(fate: Fate, listener: Listener) -> None:
    await receive(fate, listener, range(1, 4))
    await fate.lose()


async def restored(fate: Fate, listener: Listener) -> None:
    await receive(fate, listener, range(1, 3))
    await fate.back_up()
    await receive(fate, listener, range(3, 4))
    await fate.restore()


async def truncated(fate: Fate, listener: Listener) -> None:
    await receive(fate, listener, range(1, 4))
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, range(4, 7)))
    await fate.truncate(5)


HAPPENINGS = {"lost": lost, "restored": restored, "truncated": truncated}
WHY = {"lost": "it was lost", "restored": "an older backup", "truncated": "its oldest events are gone"}


@pytest.mark.parametrize("written_on", [0, 1, 2, 5], ids=lambda count: f"{count}-more")
@pytest.mark.parametrize("happening", HAPPENINGS)
async def test_a_consumer_waits_at_a_log_that_it_has_not_read_and_says_why_once(
    fate: Fate, listener: Listener, tmp_path: Path, caplog: pytest.LogCaptureFixture, happening: str, written_on: int
) -> None:
    """Also when the log is as long again as it was, or longer. Who has not read it yet is not held up."""
    await HAPPENINGS[happening](fate, listener)
    other = Listener(tmp_path, "other")
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, range(101, 101 + written_on)))
        there = len(await bus.of(ORDER))
        async with listener.at_work(bus), other.at_work(bus):
            await until(lambda: bool(logged(caplog)))
            await other.has_handled(there)
        assert listener.handled() == numbered(1, 2, 3)
        assert [record.levelno for record in logged(caplog)] == [logging.ERROR]
        assert WHY[happening] in logged(caplog)[0].getMessage()
        assert "events adopt" in logged(caplog)[0].getMessage()
        assert WHY[happening] in await problem(bus, listener.progress, listener.name)
        assert await problem(bus, other.progress, other.name) == ""
    other.close()


@pytest.mark.parametrize("happening", HAPPENINGS)
async def test_a_consumer_that_adopts_the_log_reads_all_that_it_has_and_does_nothing_again(
    fate: Fate, listener: Listener, happening: str
) -> None:
    await HAPPENINGS[happening](fate, listener)
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, range(101, 106)))
        await bus.append(events(ORDER, range(1, 7)))  # as it is published again
        assert await adopt(bus, listener.progress, listener.subscription()) > 0
        expected = {*numbered(1, 2, 3), *ids(await read_all(bus))}
        assert expected >= {*numbered(*range(101, 106))}
        async with listener.at_work(bus):
            await listener.has_handled(len(expected))
        assert sorted(listener.handled()) == sorted(expected)
        assert await problem(bus, listener.progress, listener.name) == ""
        assert await adopt(bus, listener.progress, listener.subscription()) == 0


async def test_a_log_that_only_grows_is_read_on_from_the_position(fate: Fate, listener: Listener) -> None:
    for start in (1, 4, 7):
        await receive(fate, listener, range(start, start + 3))
    assert listener.handled() == numbered(*range(1, 10))
    assert listener.repeats() == 0


async def test_what_is_truncated_after_it_was_read_holds_up_nobody(fate: Fate, listener: Listener) -> None:
    await receive(fate, listener, range(1, 4))
    await receive(fate, listener, range(4, 5))
    await fate.truncate(3)
    await receive(fate, listener, range(5, 6))
    assert listener.handled() == numbered(*range(1, 6))


async def test_a_new_consumer_of_a_truncated_log_begins_with_what_is_left(fate: Fate, listener: Listener) -> None:
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, range(1, 7)))
        await fate.truncate(3)
        for _ in range(2):
            async with listener.at_work(bus):
                await listener.has_handled(3)
    assert listener.handled() == numbered(4, 5, 6)


async def test_a_consumer_at_work_notices_too(
    fate: Fate, listener: Listener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for the next position permanently."""
    monkeypatch.setattr(partition, "_CHECK_SECONDS", 0.1)
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, range(1, 4)))
        async with listener.at_work(bus):
            await listener.has_handled(3)
            await fate.lose()
            await until(lambda: bool(logged(caplog)))
            await append_in_spite_of_outages(bus, events(ORDER, range(101, 103)))
            assert await adopt(bus, listener.progress, listener.subscription()) == 1
            await listener.has_handled(5)


async def test_one_that_reads_only_what_is_new_goes_on_behind_what_it_read_last(fate: Fate, listener: Listener) -> None:
    listener.more = {"from_latest": True}
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, range(1, 4)))
    async with fate.log.opened() as bus, listener.at_work(bus):
        await until(lambda: len(listener.progress.begun(listener.name)) == 4)
        await bus.append(events(ORDER, range(4, 6)))
        await listener.has_handled(2)
    await fate.lose()
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, range(1, 8)))
        await adopt(bus, listener.progress, listener.subscription())
        async with listener.at_work(bus):
            await listener.has_handled(4)
    assert listener.handled() == numbered(4, 5, 6, 7)


async def test_a_position_of_release_0_1_belongs_to_the_log_that_is_there(fate: Fate, listener: Listener) -> None:
    """It is not known whose it is; only one behind the end of the log is surely of another."""
    async with fate.log.opened() as bus:
        await bus.append(events(ORDER, range(1, 7)))
        listener.progress.save(listener.name, PARTITION, 4, Mark())
        assert await problem(bus, listener.progress, listener.name) == ""
        async with listener.at_work(bus):
            await listener.has_handled(2)
        assert listener.handled() == numbered(5, 6)
        assert listener.progress.marks(listener.name)[PARTITION].log == (await bus.state()).id
        listener.progress.save(listener.name, PARTITION, 7, Mark())
        assert "older backup" in await problem(bus, listener.progress, listener.name)


async def test_every_process_sees_the_same_log(fate: Fate) -> None:
    async def state(bus: Bus) -> tuple[str, int, int]:
        seen = await bus.state()
        return seen.id, seen.first, seen.head

    async with fate.log.opened() as one, fate.log.opened() as other:
        assert await state(one) == await state(other)
        await one.append(events(ORDER, range(1, 4)))
        log, first, head = await state(other)
        assert (log, first, head) == await state(one)
        assert (first, head) == (1, 3)
        assert [await one.id_at(position) for position in (1, 3, 4)] == [f"{ORDER}:1", f"{ORDER}:3", None]
    async with fate.log.opened() as again:
        assert (await again.state()).id == log


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "messaging.consumer" and record.levelno >= 40]
