"""Published again: all that services published, and what they received that no service has published."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from kernel import inbox, outbox
from kernel.envelope import CloudEvent
from messaging.bus import Bus
from messaging.republish import Republished, republish
from tests.databases import Databases
from tests.messaging.conftest import NOON, Log, event, events, ids, read_all

BOTH = frozenset(("orders", "payments"))
NOON_MS = int(NOON.timestamp() * 1000)


class Kept:
    """What two services keep."""

    def __init__(self, databases: Databases) -> None:
        self.services = {name: databases.open(name) for name in sorted(BOTH)}
        for database in self.services.values():
            database.alone(outbox.metadata.create_all)
            database.alone(inbox.make)

    def publish(self, service: str, order: str, number: int, *, is_on_bus: bool = True) -> None:
        """This number of seconds after noon."""
        with self.services[service].begin() as tx:
            outbox.write(
                tx,
                event_id=f"{order}:{number}",
                type="OrderCreated",
                correlation=order,
                causation="command-1",
                style="orchestration",
                data='{"n": 1}',
                occurred_at=NOON_MS + number * 1000,
            )
            if is_on_bus:
                positions, _ = outbox.oldest(tx, f"/{service}", 1)
                outbox.published(tx, positions)

    def receive(self, service: str, event: CloudEvent) -> None:
        inbox.settle(self.services[service], event)


@pytest.fixture
def kept(databases: Databases) -> Kept:
    return Kept(databases)


def said(order: str, number: int, source: str = "/customer") -> CloudEvent:
    return event(order, number).model_copy(update={"source": source, "time": NOON + timedelta(seconds=number)})


async def test_all_is_appended_in_the_order_in_which_it_happened(kept: Kept, bus: Bus) -> None:
    placed = said("order-1", 1)
    for service in BOTH:
        kept.receive(service, placed)
    for service, number in (("orders", 2), ("payments", 3), ("orders", 4), ("payments", 5)):
        kept.publish(service, "order-1", number)
    kept.receive("payments", said("order-1", 2, "/orders"))  # which its service keeps
    assert await republish(kept.services, bus, BOTH) == Republished(appended=5, known=0, refused=0)
    again = await read_all(bus)
    assert ids(again) == [f"order-1:{number}" for number in range(1, 6)]
    assert [one.event.source for one in again] == ["/customer", "/orders", "/payments", "/orders", "/payments"]
    assert again[0].event == placed


async def test_what_the_log_has_is_not_appended_again(kept: Kept, bus: Bus) -> None:
    for number in range(1, 1_203):
        kept.publish("orders", "order-1", number)
    await bus.append(events("order-1", range(1, 601)))
    before = await read_all(bus)
    assert await republish(kept.services, bus, BOTH) == Republished(appended=602, known=600, refused=0)
    assert await republish(kept.services, bus, BOTH) == Republished(appended=0, known=1_202, refused=0)
    assert (await read_all(bus))[:600] == before
    assert len(await read_all(bus)) == 1_202


@pytest.mark.parametrize(
    ("chosen", "order", "since", "expected"),
    [
        (BOTH, "", 0, ["a:1", "a:2", "b:3", "b:4"]),
        (frozenset(("orders",)), "", 0, ["a:1", "b:3"]),
        (BOTH, "b", 0, ["b:3", "b:4"]),
        (BOTH, "", NOON_MS + 2_000, ["a:2", "b:3", "b:4"]),
    ],
)
async def test_less_is_appended_when_less_is_asked_for(
    kept: Kept, bus: Bus, chosen: frozenset[str], order: str, since: int, expected: list[str]
) -> None:
    for service, of, number in (("orders", "a", 1), ("payments", "a", 2), ("orders", "b", 3)):
        kept.publish(service, of, number)
    kept.receive("payments", said("b", 4))
    await republish(kept.services, bus, chosen, order=order, since=since)
    assert ids(await read_all(bus)) == expected


async def test_a_damaged_row_stops_no_other(kept: Kept, sqlite_log: Log, caplog: pytest.LogCaptureFixture) -> None:
    for number in (1, 2, 3):
        kept.publish("orders", "order-1", number)
    with kept.services["orders"].begin() as tx:
        tx.execute(text("UPDATE outbox SET data = 'not json' WHERE event_id = 'order-1:2'"))
    async with sqlite_log.opened() as bus:
        await republish(kept.services, bus, BOTH)
        assert ids(await read_all(bus)) == ["order-1:1", "order-1:3"]
    assert "is not a valid event" in caplog.text


async def test_what_nats_does_not_take_is_counted_and_stops_no_other(kept: Kept, nats_log: Log) -> None:
    for number in (1, 3):
        kept.publish("orders", "order-1", number)
    kept.receive("orders", said("order-1", 2).model_copy(update={"data": {"note": "x" * 2_000_000}}))
    async with nats_log.opened() as bus:
        assert await republish(kept.services, bus, BOTH) == Republished(appended=2, known=0, refused=1)
        assert ids(await read_all(bus)) == ["order-1:1", "order-1:3"]


async def test_what_still_waits_is_left_to_the_relay(kept: Kept, bus: Bus) -> None:
    kept.publish("orders", "order-1", 1, is_on_bus=False)
    await republish(kept.services, bus, BOTH)
    assert await read_all(bus) == []


def test_the_relay_looks_only_at_what_waits(kept: Kept) -> None:
    """However much is kept: it looks twenty times a second."""
    database = kept.services["orders"]
    with database.begin() as tx:
        row = {"type": "T", "correlation": "o", "causation": "c", "style": "s", "data": "{}", "occurred_at": 1}
        kept_rows = [row | {"event_id": str(number), "published_at": 1} for number in range(5_000)]
        tx.execute(outbox.outbox.insert(), kept_rows)
    with database.begin() as tx:
        tx.execute(text("ANALYZE outbox"))
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        query = "SELECT * FROM outbox WHERE published_at IS NULL ORDER BY position LIMIT 100"
        assert "ix_outbox_waiting" in str(tx.execute(text(f"{explain} {query}")).all())
