"""A consumer at work on every bus: each event once in effect, each order in order, and nobody stalled by another."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.envelope import CloudEvent
from messaging.bus import PARTITIONS, Bus, Recorded, partition_of
from messaging.failure import DeliveryFailure, FailureState
from messaging.locks import FileLocks
from messaging.subscription import NonRetryable, RetryPolicy, Rule, Unavailable
from tests.messaging.conftest import SECONDS, Log, event, events
from tests.messaging.listening import Gate, Listener, until


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    yield made
    made.close()


def same_partition(order: str) -> str:
    """Another order, which the same process reads."""
    return next(other for n in range(1000) if partition_of(other := f"other-{n}") == partition_of(order))


async def test_every_event_takes_effect_once_and_each_orders_in_order(listener: Listener, bus: Bus) -> None:
    orders = [f"order-{number}" for number in range(20)]
    for number in range(1, 6):
        await bus.append([event(order, number) for order in orders])
    async with listener.at_work(bus):
        await listener.has_handled(100)
    for order in orders:
        assert listener.handled(order) == [f"{order}:{number}" for number in range(1, 6)]


async def test_what_comes_later_is_handled_when_it_comes(listener: Listener, bus: Bus) -> None:
    async with listener.at_work(bus):
        for number in (1, 2, 3):
            await bus.append([event("order-1", number)])
            await listener.has_handled(number)


async def test_who_begins_now_receives_nothing_of_before_and_everything_after(listener: Listener, bus: Bus) -> None:
    listener.more = {"from_latest": True}
    await bus.append([event(f"order-{number}") for number in range(8)])
    async with listener.at_work(bus):
        await until(lambda: len(listener.progress.begun("listener")) == PARTITIONS)
        await bus.append([event(f"order-{number}", 2) for number in range(8)])
        await listener.has_handled(8)
    await bus.append([event("order-1", 3)])
    async with listener.at_work(bus):  # it is not new any more
        await listener.has_handled(9)
    assert sorted(listener.handled()) == sorted([*(f"order-{number}:2" for number in range(8)), "order-1:3"])


async def test_a_rule_lets_through_what_it_names(listener: Listener, bus: Bus) -> None:
    other = event("order-2").model_copy(update={"type": "StockReserved", "id": "order-2:reserved"})
    await bus.append([event("order-1"), other, *events("order-3", range(1, 3))])
    rule = Rule(types=("Order*",), content={"data.total.amount": (100,)})
    async with listener.at_work(bus, rule):
        await listener.has_handled(2)
        await until(lambda: max(listener.progress.positions("listener").values()) > 0)
    assert sorted(listener.handled()) == ["order-1:1", "order-3:1"]


async def test_an_order_that_takes_long_stalls_no_other(listener: Listener, bus: Bus) -> None:
    slow, other = "order-1", same_partition("order-1")
    listener.before = gate = Gate(slow)
    async with listener.at_work(bus):
        await bus.append([event(slow, 1), event(slow, 2), event(other, 1), event(other, 2)])
        await listener.has_handled(2)
        assert listener.handled() == [f"{other}:1", f"{other}:2"]
        gate.open.set()
        await listener.has_handled(4)
    assert listener.handled(slow) == [f"{slow}:1", f"{slow}:2"]


async def test_an_event_that_fails_is_tried_again_and_its_order_waits_for_it(listener: Listener, bus: Bus) -> None:
    attempts: list[str] = []

    def failing(recorded: Recorded) -> None:
        attempts.append(recorded.event.id)
        if attempts.count("order-1:1") < 4 and recorded.event.id == "order-1:1":
            raise ConnectionError("not now")

    listener.before = failing
    await bus.append(events("order-1", range(1, 4)))
    async with listener.at_work(bus):
        await listener.has_handled(3)
    assert listener.handled() == ["order-1:1", "order-1:2", "order-1:3"]
    assert attempts == ["order-1:1"] * 4 + ["order-1:2", "order-1:3"]
    assert listener.progress.failures(*FailureState) == []


async def test_a_poisoned_event_becomes_a_dead_letter_and_its_order_goes_on(listener: Listener, bus: Bus) -> None:
    poisoned, other = "order-1:1", same_partition("order-1")
    mended = False

    def poison(recorded: Recorded) -> None:
        if recorded.event.id == poisoned and not mended:
            raise ValueError("cannot be read")

    listener.before = poison
    await bus.append([*events("order-1", range(1, 3)), event(other)])
    async with listener.at_work(bus):
        await listener.has_handled(2)
        assert listener.handled()[0] == f"{other}:1"
        await until(lambda: bool(listener.progress.failures(FailureState.DEAD)))
        (letter,) = listener.progress.failures(FailureState.DEAD)
        assert letter.recorded.event == event("order-1")
        assert letter.error == "ValueError: cannot be read"
        assert letter.attempts > 1

        mended = True
        listener.progress.requeue("listener", poisoned)
        await listener.has_handled(3)
        await until(lambda: listener.progress.failures(*FailureState) == [])
    assert sorted(listener.handled()) == [poisoned, "order-1:2", f"{other}:1"]


async def test_a_dead_letter_that_fails_again_is_one_again(listener: Listener, bus: Bus) -> None:
    def poison(_recorded: Recorded) -> None:
        raise NonRetryable("never")

    listener.before = poison
    await bus.append([event("order-1")])
    async with listener.at_work(bus):
        await until(lambda: bool(listener.progress.failures(FailureState.DEAD)))
        listener.progress.requeue("listener", "order-1:1")
        await until(lambda: [one.attempts for one in listener.progress.failures(FailureState.DEAD)] == [2])


async def test_a_requeued_event_is_handled_before_a_later_one_of_its_order_that_is_in_retry(
    listener: Listener, bus: Bus
) -> None:
    """The later one may fail only because the earlier one was given up."""
    is_mended = False

    def each_needs_the_one_before(recorded: Recorded) -> None:
        if recorded.event.id == "order-1:1" and not is_mended:
            raise NonRetryable("not readable")
        if recorded.event.id == "order-1:2" and not listener.handled():
            raise ConnectionError("the one before is missing")

    patient = RetryPolicy(first=0.02, longest=0.05, give_up_after=300)
    listener.before, listener.more = each_needs_the_one_before, {"retry_policy": lambda _event: patient}
    await bus.append(events("order-1", range(1, 3)))
    async with listener.at_work(bus):
        await until(lambda: [one.id for one in listener.progress.failures(FailureState.RETRYING)] == ["order-1:2"])
        is_mended = True
        assert listener.progress.requeue("listener", "order-1:1")
        await listener.has_handled(2)
    assert listener.handled() == ["order-1:1", "order-1:2"]


async def test_a_consumer_that_gives_up_publishes_it(listener: Listener, bus: Bus) -> None:
    def on_dead_letter(failure: DeliveryFailure, _of_order: object) -> CloudEvent:
        about = failure.recorded.event
        return about.model_copy(update={"id": f"{about.id}:given-up", "type": "GivenUp", "causationid": about.id})

    def poison(recorded: Recorded) -> None:
        if recorded.event.type == "OrderCreated":
            raise NonRetryable("never")

    listener.before = poison
    listener.more = {"on_dead_letter": on_dead_letter}
    await bus.append([event("order-1")])
    async with listener.at_work(bus):
        await listener.has_handled(1)
    assert listener.handled() == ["order-1:1:given-up"]


async def test_a_failing_event_lets_pass_what_may_go_before_it(listener: Listener, bus: Bus) -> None:
    passed = False

    def failing(recorded: Recorded) -> None:
        nonlocal passed
        if recorded.event.id == "order-1:1" and not passed:
            raise ConnectionError("not now")
        passed = passed or recorded.event.id == "order-1:3"

    listener.before = failing
    listener.more = {"may_overtake": lambda _failing, waiting: waiting.id == "order-1:3"}
    await bus.append(events("order-1", range(1, 4)))
    async with listener.at_work(bus):
        await listener.has_handled(3)
    assert listener.handled() == ["order-1:3", "order-1:1", "order-1:2"]


async def test_what_took_effect_before_a_crash_is_absorbed_after_it(listener: Listener, log: Log) -> None:
    """It dies after the effect, before it has noted how far it is; nothing is finished in good order."""
    ends = {partition_of(f"order-{number}"): number + 1 for number in range(10)}
    async with log.opened() as bus:
        await bus.append([event(f"order-{number}") for number in range(10)])
        async with listener.at_work(bus) as consumer:
            await listener.has_handled(10)
            await until(lambda: ends.items() <= listener.progress.positions("listener").items())  # no save under way
            consumer.cancel()
            await asyncio.wait([consumer])
    for partition in range(PARTITIONS):
        listener.progress.save("listener", partition, 0)
    async with log.opened() as bus:
        await bus.append([event("order-11")])
        async with listener.at_work(bus):
            await listener.has_handled(11)
            await until(lambda: listener.repeats() >= 10)
    assert len(set(listener.handled())) == len(listener.handled()) == 11


async def test_a_consumer_that_was_away_for_a_thousand_events_catches_up(listener: Listener, log: Log) -> None:
    async with log.opened() as bus:
        async with listener.at_work(bus):
            await bus.append([event("order-0")])
            await listener.has_handled(1)
        for number in range(1, 11):
            await bus.append([event(f"order-{order}", number) for order in range(1, 101)])
        async with listener.at_work(bus):
            await listener.has_handled(1001, seconds=4 * SECONDS)
    assert len(set(listener.handled())) == 1001
    for order in range(1, 101):
        assert listener.handled(f"order-{order}") == [f"order-{order}:{number}" for number in range(1, 11)]


async def test_two_share_the_work_and_no_event_takes_effect_twice(tmp_path: Path, log: Log) -> None:
    one, other = Listener(tmp_path), Listener(tmp_path)
    async with log.opened() as first, log.opened() as second:
        async with one.at_work(first), other.at_work(second):
            for number in range(1, 11):
                await first.append([event(f"order-{order}", number) for order in range(20)])
            await one.has_handled(200)
        handled = one.handled()
    assert len(set(handled)) == len(handled) == 200
    for order in range(20):
        assert one.handled(f"order-{order}") == [f"order-{order}:{number}" for number in range(1, 11)]
    one.close()
    other.close()


async def test_when_one_dies_the_other_goes_on(tmp_path: Path, log: Log) -> None:
    one, other = Listener(tmp_path), Listener(tmp_path)
    async with log.opened() as first, log.opened() as second:
        async with one.at_work(first):
            await first.append([event("order-1")])
            await one.has_handled(1)
            async with other.at_work(second):
                pass  # it waits in line for what the first one holds, and leaves
        async with other.at_work(second):
            await second.append([event("order-1", 2)])
            await one.has_handled(2)
    one.close()
    other.close()


async def test_who_does_not_get_a_partition_handles_nothing_of_it(
    listener: Listener, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others hold all of them, and wait for all of them."""
    others = FileLocks(listener.folder / "locks")
    for partition in range(PARTITIONS):
        assert others.take(f"listener-{partition}")
        assert others.take(f"listener-{partition}-next")
    refused: Counter[str] = Counter()
    take = FileLocks.take

    def count(locks: FileLocks, name: str) -> bool:
        is_ours = take(locks, name)
        refused[name] += not is_ours
        return is_ours

    monkeypatch.setattr(FileLocks, "take", count)
    await bus.append([event(f"order-{number}") for number in range(8)])
    async with listener.at_work(bus):
        await until(lambda: all(refused[f"listener-{partition}-next"] > 1 for partition in range(PARTITIONS)))
        assert listener.handled() == []
        others.close()
        await listener.has_handled(8)


async def test_who_waits_for_a_partition_gets_it_in_turn(tmp_path: Path, log: Log) -> None:
    one, other = Listener(tmp_path), Listener(tmp_path)
    seen: set[str] = set()
    one.before = lambda _recorded: seen.add("one")
    other.before = lambda _recorded: seen.add("other")
    number = 0
    async with (
        log.opened() as first,
        log.opened() as second,
        one.at_work(first),
        other.at_work(second),
        asyncio.timeout(SECONDS),
    ):
        while seen != {"one", "other"}:
            number += 1
            await first.append([event("order-1", number)])
            await one.has_handled(number)
    assert one.handled() == [f"order-1:{line}" for line in range(1, number + 1)]
    one.close()
    other.close()


async def test_what_did_not_answer_gets_all_that_waits_as_soon_as_it_does(listener: Listener, bus: Bus) -> None:
    """The pauses grow while nobody answers; then nothing waits for the end of its own."""
    patient = RetryPolicy(first=3600, longest=3600, give_up_after=86_400)
    listener.more = {"retry_policy": lambda _event: patient}
    listener.before = down = _Down()
    async with listener.at_work(bus):
        await bus.append([event(f"order-{number}") for number in range(8)])
        await until(lambda: down.asked == 8)
        down.is_up = True
        await bus.append([event("order-9")])
        await listener.has_handled(9)


async def test_one_event_that_nobody_takes_keeps_its_pauses_while_others_pass(listener: Listener, bus: Bus) -> None:
    patient = RetryPolicy(first=3600, longest=3600, give_up_after=86_400)
    listener.more = {"retry_policy": lambda _event: patient}
    listener.before = down = _Down(only="order-1")
    async with listener.at_work(bus):
        await bus.append([event("order-1")])
        await until(lambda: down.asked == 1)
        for number in range(2, 8):
            await bus.append([event(f"order-{number}")])
            await listener.has_handled(number - 1)
    assert down.asked == 2  # once more when the first other one was taken, and not with each


class _Down:
    """Nobody answers, for any order or for one."""

    def __init__(self, only: str = "") -> None:
        self._only = only
        self.asked = 0
        self.is_up = False

    def __call__(self, recorded: Recorded) -> None:
        if not self.is_up and self._only in ("", recorded.event.correlationid):
            self.asked += 1
            raise Unavailable("nobody answers")
