"""The subscribers as the bus runs them, each by the others' side."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection
from sqlalchemy.event import listen

from kernel.database import Database
from messaging.bus import PARTITIONS
from messaging.consumer import Consumer
from messaging.failure import FailureState
from messaging.locks import FileLocks
from messaging.progress import Progress
from messaging.sql_log import SqlLog
from messaging.subscription import Subscription
from subscribers.analytics_report import report
from subscribers.audit_log import newest, verify
from subscribers.table import SUBSCRIBERS
from tests.subscribers.http_endpoint import SECRET, Answer, HttpEndpoint
from tests.subscribers.processes import Place
from tests.subscribers.samples import completed, declined

_LIMIT = 20  # seconds


class Bus:
    """A log, and consumers that read it."""

    def __init__(self, place: Place) -> None:
        self.log = SqlLog(place.databases.open("bus"))
        self.progress = Progress(place.databases.open("consumers"))
        self._locks = FileLocks(place.data_dir / "locks")
        self._moved = asyncio.Event()

    @asynccontextmanager
    async def running(self, subscriptions: Sequence[Subscription]) -> AsyncIterator[None]:
        """All of them have begun to read."""
        self.log.open()
        self.progress.open()
        consumers = [
            Consumer(subscription, self.log, self.progress, self._locks, self._moved.set)
            for subscription in subscriptions
        ]
        running = asyncio.gather(*(consumer.run() for consumer in consumers))
        try:
            async with asyncio.timeout(_LIMIT):
                while any(len(self.progress.begun(one.name)) < PARTITIONS for one in subscriptions):
                    await asyncio.sleep(0.01)
            yield
        finally:
            for consumer in consumers:
                consumer.stop()
            await running
            await self.log.close()
            self._locks.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_LIMIT):
            while not await asyncio.to_thread(condition):
                await self._moved.wait()
                self._moved.clear()

    def failures(self, state: FailureState) -> list[tuple[str, str]]:
        return [(failure.consumer, failure.recorded.event.id) for failure in self.progress.failures(state)]


def all_subscriptions(
    place: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint, **options: float
) -> list[Subscription]:
    outside = {
        "name": "outside",
        "url": endpoint.url,
        "secret": SECRET,
        "per_second": 1000,
        "allow_http": True,
    } | options
    monkeypatch.setenv("WEBHOOKS", json.dumps([outside]))
    return [subscription for subscriber in SUBSCRIBERS for subscription in subscriber(place)]


def audited(database: Database) -> int:
    head = newest(database)
    assert verify(database) == []
    return head.number if head else 0


async def test_each_subscriber_does_its_part(
    context: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    subscriptions, bus = all_subscriptions(context, monkeypatch, endpoint), Bus(context)
    events = completed("1") + declined("2")
    async with bus.running(subscriptions):
        await bus.log.append(events)
        await bus.until(lambda: len(endpoint.events) == len(events))
        await bus.until(lambda: audited(context.database("audit-log")) == len(events))
        await bus.until(lambda: len(list(context.data_dir.glob("mail/*.eml"))) == 4)
        await bus.until(lambda: report(context.database("analytics")).rejected == 1)
    assert report(context.database("analytics")).completed == 1
    assert sorted(event["id"] for event in endpoint.events) == sorted(event.id for event in events)


@pytest.mark.parametrize("name", ["notifications", "analytics", "audit-log"])
async def test_what_waits_for_a_subscriber_takes_a_few_transactions(context: Place, name: str) -> None:
    [subscription] = [one for subscriber in SUBSCRIBERS for one in subscriber(context) if one.name == name]
    bus, transactions = Bus(context), list[Connection]()
    handled = subscription.handled
    events = [event for order in range(20) for event in completed(str(order)) if subscription.rule.fits(event)]
    async with bus.running([subscription]):
        listen(context.database(name).engine, "begin", lambda transaction: transactions.append(transaction))
        await bus.log.append(events)
        await bus.until(lambda: len(handled(events)) == len(events))
    assert len(transactions) < len(events) / 2


async def test_an_endpoint_gets_the_events_of_one_order_in_their_order_though_it_fails_first(
    context: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    *_, webhook = all_subscriptions(context, monkeypatch, endpoint, first_pause=0.01)
    bus, events = Bus(context), completed()
    endpoint.answers = [Answer(503), Answer(204), Answer(500), Answer(500)]
    async with bus.running([webhook]):
        await bus.log.append(events)
        await bus.until(lambda: len(endpoint.events) == len(events))
    assert [event["id"] for event in endpoint.events] == [event.id for event in events]
    assert bus.failures(FailureState.DEAD) == []


async def test_what_an_endpoint_did_not_want_is_kept_and_can_be_sent_again(
    context: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    *_, webhook = all_subscriptions(context, monkeypatch, endpoint)
    bus, events = Bus(context), completed()[:2]
    endpoint.answers = [Answer(410)]
    async with bus.running([webhook]):
        await bus.log.append(events)
        await bus.until(lambda: len(endpoint.events) == 1)
        assert bus.failures(FailureState.DEAD) == [("webhook-outside", events[0].id)]
        bus.progress.requeue("webhook-outside", events[0].id)
        await bus.until(lambda: len(endpoint.events) == 2)
    assert [event["id"] for event in endpoint.events] == [events[1].id, events[0].id]
    assert bus.failures(FailureState.DEAD) == []


async def test_an_endpoint_that_stays_down_stalls_nobody_else(
    context: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    endpoint.answers = [Answer(500)] * 1_000
    subscriptions = all_subscriptions(context, monkeypatch, endpoint, first_pause=0.01, give_up_after=0.05)
    bus, events = Bus(context), completed()
    async with bus.running(subscriptions):
        await bus.log.append(events)
        await bus.until(lambda: report(context.database("analytics")).completed == 1)
        await bus.until(lambda: len(bus.failures(FailureState.DEAD)) == len(events))
    assert {consumer for consumer, _ in bus.failures(FailureState.DEAD)} == {"webhook-outside"}
    assert endpoint.events == []
