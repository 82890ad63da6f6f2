"""What a shop does with a message that cannot be read or sent, and with a retried refund that fails once more."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import nats
import pytest
from sqlalchemy import text

from choreography.deadlines import Deadlines, Limits
from client.contracts import Resolution, ResolveBy, Review, Stage
from client.errors import TooLong
from client.order import OrderLine
from kernel import outbox
from kernel.database import Database
from lab.servers.nats import NatsServer
from lab.settings import LabSettings
from messaging.failure import FailureState
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from services.orders.declaration import ORDERS
from tests.choreographed import ChoreographedShop, open_shop
from tests.choreography.stopwatch import Stopwatch, watched
from tests.processes import NOBODY_LISTENS, Environment, Ran, environment_of, run
from tests.shop import POLICY, sample_order, undeliverable

SECONDS = 60
RETRY = Resolution(decision=ResolveBy.RETRY)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_refund_that_an_operator_retried_in_vain_is_made_after_a_restart(tmp_path: Path) -> None:
    """While the retried one is tried again, it is nobody's problem; so nobody else may forget it."""
    order = sample_order(**undeliverable())
    impatient = POLICY.model_copy(update={"undo_deadline": 0.5})
    down = LabSettings(data_dir=tmp_path, faults="payments.refund=down:*", policy=impatient)
    async with open_shop(down) as shop:
        await shop.run(order)
    async with open_shop(down.model_copy(update={"policy": POLICY})) as shop:
        await shop.client.resolve(order.order_id, RETRY)
        await until(lambda: bool(shop.eventing.progress.failures(FailureState.RETRYING, consumer="payments")))
    async with open_shop(LabSettings(data_dir=tmp_path, policy=POLICY)) as shop:
        state = await shop.until(order, lambda state: state.stage is Stage.ENDED)
        assert state.status is OrderStatus.REJECTED
        assert shop.books(order).refunded == sum(amount for amount, _ in shop.books(order).charges) > 0
        await until(lambda: shop.eventing.progress.failures(*FailureState) == [])
        assert shop.violations(order) == []


@dataclass(frozen=True)
class Bus:
    settings: LabSettings
    put: Callable[[bytes], Awaitable[None]]

    async def starter(self, *arguments: str) -> Ran:
        environment: Environment = environment_of(self.settings, "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
        bus = {"BUS_URL": self.settings.bus_url, "BUS_STREAM": self.settings.bus_stream}
        return await run("starter.py", environment | (bus if self.settings.bus_url else {}), *arguments)


@pytest.fixture(params=["sqlite", "nats"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Bus:
    """Anybody may have put something there: another program, a later version, a damaged disk."""
    settings = LabSettings(data_dir=tmp_path / "data", policy=POLICY)
    if request.param == "sqlite":

        async def insert(raw: bytes) -> None:
            row = {"id": uuid4().hex, "event": raw.decode()}
            statement = (
                "INSERT INTO events (event_id, partition, correlation, type, recorded_at, event) "
                "VALUES (:id, 0, 'x', 'Hello', 0, :event)"
            )
            database = Database(settings.url_of("bus"))
            with database.begin() as tx:
                tx.execute(text(statement), row)
            database.close()

        return Bus(settings, insert)

    server: NatsServer = request.getfixturevalue("nats_server")
    stream = f"ORDERS_{uuid4().hex}"

    async def publish(raw: bytes) -> None:
        async with await nats.connect(server.url) as client:
            await client.jetstream().publish(f"{stream}.0.x.Hello", raw)

    return Bus(settings.model_copy(update={"bus_url": server.url, "bus_stream": stream}), publish)


async def test_a_message_that_is_no_event_stops_no_worker_and_no_command_and_is_seen(bus: Bus) -> None:
    first, second, third = sample_order(), sample_order(), sample_order()
    async with open_shop(bus.settings) as shop:
        await shop.run(first)
        await bus.put(b"hello\x1b[31m")
        await bus.put(b'{"specversion": "2.0"}')
        assert (await shop.run(second)).status is OrderStatus.COMPLETED
    async with open_shop(bus.settings) as shop:  # also one that begins with it
        assert (await shop.run(third)).status is OrderStatus.COMPLETED
        listed, as_json, traced, consumers, audited, letters = await asyncio.gather(
            bus.starter("events", "list"),
            bus.starter("events", "list", "--json"),
            bus.starter("trace", first.order_id),
            bus.starter("events", "consumers"),
            bus.starter("audit"),
            bus.starter("events", "dead-letters", "list", "--json"),
        )
        unreadable = [one for one in as_json.document if "unreadable" in one]
        assert [one["raw"] for one in unreadable] == ["hello\\x1b[31m", '{"specversion": "2.0"}']
        assert "\x1b" not in listed.out
        assert listed.out.count("unreadable") == 2
        assert (traced.code, consumers.code, listed.code) == (0, 0, 0)
        assert "can be read" in audited.out
        kept = [one for one in letters.document if one["consumer"] == "audit-log"]
        assert [one["raw"] for one in kept] == [one["raw"] for one in unreadable]
        shown = await bus.starter("events", "show", str(unreadable[0]["position"]))
        assert shown.document["unreadable"]
        retried = await bus.starter("events", "dead-letters", "retry", "--all")
        assert (retried.code, retried.out.count("still cannot be read")) == (1, 2)
        assert (await bus.starter("events", "dead-letters", "discard", "--all", "--note", "a stranger's")).code == 0
        assert (await bus.starter("events", "dead-letters", "list")).out.strip() == "No dead letters."


async def test_an_event_that_is_too_large_for_nats_stops_no_other_and_is_seen(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    settings = LabSettings(data_dir=tmp_path, policy=POLICY, bus_url=nats_server.url, bus_stream=f"O_{uuid4().hex}")
    before, later = sample_order(), sample_order()
    bus = Bus(settings, put=_nobody_puts)
    async with open_shop(settings) as shop:
        await shop.run(before)
        _write_a_large_event(shop)
        assert (await shop.run(later)).status is OrderStatus.COMPLETED
        letters = (await bus.starter("events", "dead-letters", "list", "--json")).document
        assert [(one["consumer"], one["event"]["id"]) for one in letters] == [("relay-orders", "big:cancel:Large")]
        assert "NATS takes" in letters[0]["error"]
    # The worker has stopped in good order: nothing waits.


def _write_a_large_event(shop: ChoreographedShop) -> None:
    with shop.eventing.services.database("orders").begin() as tx:
        outbox.write(
            tx,
            event_id="big:cancel:Large",
            type="Large",
            correlation="big",
            causation="big:cancel",
            style="choreography",
            data=f'{{"reason": "{"z" * 1_100_000}"}}',
            occurred_at=1_700_000_000_000,
        )


async def _nobody_puts(_raw: bytes) -> None:
    raise AssertionError


async def test_nobody_says_more_than_what_can_be_sent(choreographed: ChoreographedShop) -> None:
    order = sample_order(lines=(OrderLine(sku="espresso-machine", quantity=1),))
    await choreographed.run(order)
    too_long = "x" * 1_001
    with pytest.raises(TooLong, match="at most 1,000 characters"):
        await choreographed.client.cancel(order.order_id, too_long)
    with pytest.raises(TooLong):
        await choreographed.client.review(order.order_id, Review(decision=Decision.DECLINE, note=too_long))
    with pytest.raises(TooLong):
        await choreographed.client.resolve(order.order_id, RETRY.model_copy(update={"note": too_long}))
    assert "CancelRequested" not in await choreographed.types(order)


async def test_one_order_s_damaged_events_stop_no_other_s_clock(tmp_path: Path) -> None:
    damaged, held = (sample_order(lines=(OrderLine(sku="espresso-machine", quantity=1),)) for _ in range(2))
    async with open_shop(LabSettings(data_dir=tmp_path, policy=POLICY)) as shop:
        for order in (damaged, held):
            assert (await shop.run(order)).stage is Stage.REVIEW
        first = (await shop.events(damaged))[0].event
        await shop.eventing.bus.append(
            [first.model_copy(update={"id": f"{first.id}:damaged", "type": "AttentionNeeded", "data": {}})]
        )
        orders = shop.eventing.services.open(ORDERS)
        clock, limits = Stopwatch(), Limits(step=60, undo=60, review=60)
        deadlines = Deadlines(orders, shop.eventing.bus, shop.eventing.locks, limits, shop.eventing.progress, clock)
        await watched(deadlines, clock, 2 * limits.review)
        assert "ReviewDecided" in await shop.types(held)
