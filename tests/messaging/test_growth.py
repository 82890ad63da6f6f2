"""A consumer whose rule grows handles what it has passed over, once, and before what follows of the same order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.envelope import CloudEvent
from messaging.bus import Bus, Recorded
from messaging.failure import FailureState
from messaging.subscription import Rule
from tests.messaging.conftest import Log, event, read_all
from tests.messaging.listening import Listener, until

SMALL, BIG = Rule(types=("OrderCreated",)), Rule(types=("OrderCreated", "Stock*"))


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "nats"])
def log(request: pytest.FixtureRequest) -> Log:
    fixture: Log = request.getfixturevalue(f"{request.param}_log")
    return fixture


def of(order: str, number: int, type: str, style: str = "choreography") -> CloudEvent:
    return event(order, number).model_copy(update={"type": type, "style": style})


def history(order: str = "order-1") -> list[CloudEvent]:
    types = ("OrderCreated", "StockReserved", "PaymentProcessed", "OrderCreated", "StockReleased")
    return [of(order, number, kind) for number, kind in enumerate(types, 1)]


async def reads(listener: Listener, bus: Bus, rule: Rule, *new: CloudEvent) -> list[str]:
    """A version with this rule reads to the end of the log; gives what it has handled, and the versions before it."""
    last = len(await read_all(bus)) + len(new) + 1
    await bus.append([*new, of("order-1", last, "OrderCreated")])
    async with listener.at_work(bus, rule):
        await until(lambda: f"order-1:{last}" in listener.handled())
    return [event_id.removeprefix("order-1:") for event_id in listener.handled()]


async def test_what_was_passed_over_is_handled_before_what_follows(listener: Listener, bus: Bus) -> None:
    assert await reads(listener, bus, SMALL, *history()) == ["1", "4", "6"]
    assert await reads(listener, bus, BIG) == ["1", "4", "6", "2", "5", "7"]
    assert listener.repeats() == 0


async def test_a_content_filter_that_lets_more_through_grows_a_rule(listener: Listener, bus: Bus) -> None:
    mine = Rule(content={"style": ("choreography",)})
    assert await reads(listener, bus, mine, of("order-1", 1, "A", "orchestration"), of("order-1", 2, "A")) == ["2", "3"]
    assert await reads(listener, bus, Rule()) == ["2", "3", "1", "4"]


async def test_a_rule_that_shrinks_reads_nothing_again(listener: Listener, bus: Bus) -> None:
    assert await reads(listener, bus, BIG, *history()) == ["1", "2", "4", "5", "6"]
    assert await reads(listener, bus, SMALL, of("order-1", 7, "StockReserved")) == ["1", "2", "4", "5", "6", "8"]
    assert listener.repeats() == 0


async def test_two_versions_that_take_turns_pass_over_nothing_and_read_nothing_again(
    listener: Listener, bus: Bus
) -> None:
    await reads(listener, bus, SMALL, *history())
    handled = await reads(listener, bus, BIG)
    assert handled == ["1", "4", "6", "2", "5", "7"]
    handled += ["9"]
    assert await reads(listener, bus, SMALL, of("order-1", 8, "StockReserved")) == handled
    handled += ["8", "10"]
    assert await reads(listener, bus, BIG) == handled
    assert await reads(listener, bus, SMALL) == [*handled, "11"]
    assert listener.repeats() == 0


async def test_what_the_older_version_drops_the_newer_finds_again(listener: Listener, bus: Bus) -> None:
    """It owes an event that it fails to handle, and the older version, which takes over, does not ask for it."""
    await reads(listener, bus, SMALL, *history())

    def fails(recorded: Recorded) -> None:
        if recorded.event.type == "StockReserved":
            raise ConnectionError("not now")

    listener.before = fails
    async with listener.at_work(bus, BIG):
        await until(lambda: bool(listener.progress.failures(FailureState.RETRYING)))
    async with listener.at_work(bus, SMALL):
        await until(lambda: listener.progress.failures(*FailureState) == [])
    listener.before = lambda _recorded: None
    assert sorted(await reads(listener, bus, BIG)) == ["1", "2", "4", "5", "6", "7"]


async def test_a_stop_while_it_catches_up_loses_and_doubles_nothing(
    listener: Listener, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops between what it owes and the record of its rule, after it has handled some of it."""
    await reads(listener, bus, SMALL, *history())
    with monkeypatch.context() as patch:
        patch.setattr("messaging.growth._record", lambda *_: None)
        async with listener.at_work(bus, BIG):
            await listener.has_handled(5)
    async with listener.at_work(bus, BIG):
        await until(lambda: listener.repeats() == 2 and listener.progress.failures(*FailureState) == [])
    assert len(listener.handled()) == 5


async def test_a_new_type_of_one_that_begins_with_the_newest_begins_with_the_newest(
    listener: Listener, bus: Bus
) -> None:
    """A webhook gets no events of last year."""
    listener.more = {"from_latest": True}
    async with listener.at_work(bus, SMALL):
        await until(lambda: len(listener.progress.begun(listener.name)) == 4)
    await reads(listener, bus, SMALL, *history())
    assert await reads(listener, bus, BIG, of("order-1", 7, "StockReserved")) == ["1", "4", "6", "7", "8"]


async def test_what_is_over_is_settled_and_not_handled(listener: Listener, bus: Bus) -> None:
    settled: list[str] = []
    listener.more = {
        "is_over": lambda of_order: any(one.event.type == "PaymentProcessed" for one in of_order),
        "settle": lambda event: settled.append(event.id),
    }
    await reads(listener, bus, SMALL, *history())
    assert await reads(listener, bus, BIG) == ["1", "4", "6", "7"]
    assert settled == ["order-1:2", "order-1:5"]


def test_a_rule_covers_what_is_certain_to_fit_it() -> None:
    assert BIG.covers(SMALL)
    assert not SMALL.covers(BIG)
    assert Rule().covers(BIG)
    assert not Rule(types=("a?c",)).covers(Rule(types=("a*c",)))
    assert Rule(content={"style": ("a", "b")}).covers(Rule(content={"style": ("a",), "type": ("x",)}))
    assert not Rule(content={"style": ("a",)}).covers(Rule(content={"style": ("a", "b")}))
    assert not Rule(content={"style": ("a",)}).covers(Rule())
