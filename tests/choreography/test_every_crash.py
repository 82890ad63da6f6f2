"""A death before and after each commit of every order's way, on events alone: the order ends as it would have.

The ways are enumerated: from the table of reactions come the steps that must be on one of them, from a life without a
death the commits. `make crash-points` also has each pair of deaths on the way of the money.
"""

import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from audit.books import OrderBooks, read
from audit.events import audit_events
from audit.invariants import Violation, audit
from choreography.events import (
    AttentionNeeded,
    AttentionSettled,
    CancelRequested,
    OrderContent,
    OrderPlaced,
    OrderStalled,
    ReviewDecided,
)
from choreography.reactions import REACTIONS
from client.order import OrderLine
from kernel import outbox
from kernel.contracts import Event, Style
from kernel.database import Database
from kernel.envelope import CloudEvent, new_event
from lab.settings import LabSettings
from messaging.bus import readable
from services import SERVICES
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from tests.choreographed import clients_of
from tests.databases import rows
from tests.deaths import Deaths, Died, Point, at_every_commit
from tests.shop import sample_order, undeliverable
from wiring.bus import EventBus
from wiring.choreography import reactions
from wiring.services import Services

ALL = "CRASH_POINTS" in os.environ


@dataclass(frozen=True)
class Stage:
    """Somebody publishes this, and what services are there for is done; but for those that are away."""

    event: Event
    away: Collection[str] = ()


@dataclass(frozen=True)
class Way:
    status: OrderStatus
    stages: tuple[Stage, ...] = ()
    content: dict[str, Any] = field(default_factory=dict)


def _review(decision: Decision) -> tuple[Stage, ...]:
    return (Stage(ReviewDecided(decision=decision, note="")),)


SUSPICIOUS = {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}
REFUSED = AttentionNeeded(step="payments.refund", problem="down")
WAYS = {
    "good": Way(OrderStatus.COMPLETED),
    "undeliverable": Way(OrderStatus.REJECTED, content=undeliverable()),
    "declined": Way(OrderStatus.REJECTED, content={"payment_token": "tok_chargeDeclined"}),
    "sold out": Way(OrderStatus.REJECTED, content={"lines": (OrderLine(sku="sold-out-scale", quantity=1),)}),
    "fraud": Way(OrderStatus.REJECTED, content={"lines": (OrderLine(sku="roaster", quantity=1),)}),
    "approved": Way(OrderStatus.COMPLETED, _review(Decision.APPROVE), SUSPICIOUS),
    "not approved": Way(OrderStatus.REJECTED, _review(Decision.DECLINE), SUSPICIOUS),
    "cancelled": Way(OrderStatus.CANCELLED, (Stage(CancelRequested(reason="")),)),
    "stalled": Way(OrderStatus.REJECTED, (Stage(OrderStalled(step="", reason="Outage")),)),
    "flagged": Way(
        OrderStatus.COMPLETED, (Stage(REFUSED, ("shipping",)), Stage(AttentionSettled(step="payments.refund", note="")))
    ),
}
# Before these come, the order must not be past the pivot.
HELD_BACK = {"cancelled": ("fraud",), "stalled": ("fraud",), "flagged": ("shipping",)}


class Worker:
    """All services of one process, one thing at a time; what it knows is in the databases."""

    def __init__(self, settings: LabSettings, deaths: Deaths) -> None:
        self._deaths = deaths
        self._shop = Services(settings)
        self.events = EventBus(settings, self._shop)
        self._subscriptions = {service.name: reactions(self.events, service) for service in SERVICES}

    async def run(self, away: Collection[str]) -> None:
        """Until nothing is left to do."""
        for service in self._subscriptions:
            await self._relay(service)
        head = -1
        while head != (head := await self.events.bus.head()):
            for service in self._subscriptions:
                if service not in away:
                    await self._consume(service)

    async def _consume(self, service: str) -> None:
        subscription, progress = self._subscriptions[service], self.events.progress
        positions = progress.positions(service)
        reader = await self.events.bus.read(None, min(positions.values()))
        for recorded in readable(await reader.next(10_000, 0)):
            event, partition = recorded.event, recorded.partition
            if recorded.position <= positions[partition] or not subscription.rule.fits(event):
                continue
            with self._deaths.at(event.correlationid, f"{service} on {event.type}"):
                subscription.handle(recorded)
            with self._deaths.at(event.correlationid, "consumer"):
                progress.save(service, partition, recorded.position)
            await self._relay(service)
        await reader.close()

    async def _relay(self, service: str) -> None:
        """One event at a time, so that each order comes to its own points."""
        database = self._shop.database(service)
        while True:
            with database.begin() as tx:
                positions, events = outbox.oldest(tx, f"/{service}", 1)
            if not positions:
                return
            with self._deaths.at(events[0].correlationid, "relay"):
                await self.events.bus.append(events)
                with database.begin() as tx:
                    outbox.published(tx, positions)

    async def close(self) -> None:
        await self.events.close()
        self._shop.close()


@dataclass(frozen=True)
class Ends:
    """How the orders of a way ended; `steps` are those that were on it."""

    books: dict[str, OrderBooks]
    violations: list[Violation]
    deaths: Deaths
    steps: set[str]


async def walk(empty: Path, folder: Path, name: str, deaths: Mapping[str, Sequence[Point]]) -> Ends:
    """Orders on this way, each with its deaths; after each, another process goes on with what is in the databases."""
    settings = LabSettings(data_dir=shutil.copytree(empty, folder))
    planned = Deaths(deaths)
    for number, stage in enumerate(_stages(name)):
        customer = Worker(settings, planned)
        await customer.events.bus.append([_published(order_id, number, stage) for order_id in deaths])
        await customer.close()
        is_done = False
        while not is_done:
            worker = Worker(settings, planned)
            with at_every_commit(planned.reached), suppress(Died):
                await worker.run(stage.away)
                is_done = True
            await worker.close()
    return await _ends(settings, planned)


def _stages(name: str) -> Iterator[Stage]:
    content = sample_order(order_id="any", **WAYS[name].content).content()
    yield Stage(OrderPlaced(order=OrderContent.model_validate(content)), HELD_BACK.get(name, ()))
    yield from WAYS[name].stages


def _published(order_id: str, number: int, stage: Stage) -> CloudEvent:
    data = stage.event.model_dump(mode="json")
    if "order" in data:
        data["order"] |= {"order_id": order_id, "customer_id": f"customer-{order_id}"}
    return new_event(
        stage.event.type(),
        data,
        event_id=f"{order_id}:{number}",
        source="/customer",
        correlation=order_id,
        causation="/customer",
        style=Style.CHOREOGRAPHY,
    )


async def _ends(settings: LabSettings, deaths: Deaths) -> Ends:
    steps = set()
    async with clients_of(settings) as shop:
        found = [*audit(settings).violations, *await audit_events(settings, shop.eventing.bus)]
    for service in SERVICES:
        with closing(Database(settings.url_of(service.name), for_reading=True)) as database:
            types = {kind for (kind,) in rows(database, outbox.outbox, "type")}
        steps |= {
            f"{service.name}.{one.verb}" for one in service.operations if types & {event.type() for event in one.events}
        }
    return Ends(read(settings).orders, found, deaths, steps)


@pytest.fixture(scope="module")
async def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The databases of a shop that has enough of everything but of what is sold out, and no order yet."""
    folder = tmp_path_factory.mktemp("empty") / "data"
    await Worker(LabSettings(data_dir=folder), Deaths({})).close()
    with closing(sqlite3.connect(folder / "inventory.db")) as stock:
        stock.execute("UPDATE stock SET on_hand = on_hand + 9999, received = received + 9999 WHERE received > 0")
        stock.commit()
    return folder


@pytest.fixture(scope="module")
async def undisturbed(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ends]:
    """A walk on each way without a death."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return {name: await walk(empty, folder / name, name, {"order": ()}) for name in WAYS}


def test_each_line_of_the_table_is_on_a_way(undisturbed: dict[str, Ends]) -> None:
    steps = set[str]().union(*(ends.steps for ends in undisturbed.values()))
    assert steps >= {line.step for line in REACTIONS}


@pytest.mark.parametrize("name", WAYS)
async def test_an_order_ends_as_it_would_have_without_the_crash(
    empty: Path, tmp_path: Path, undisturbed: dict[str, Ends], name: str
) -> None:
    """Points that an earlier way has are not tried again, unless all are wanted."""
    expected = undisturbed[name]
    tried: set[Point] = set()
    for earlier in list(WAYS)[: list(WAYS).index(name)]:
        tried |= undisturbed[earlier].deaths.seen["order"].keys()
    points = [point for point in expected.deaths.seen["order"] if ALL or point not in tried]
    deaths: dict[str, tuple[Point, ...]] = {f"order-{number}": (point,) for number, point in enumerate(points)}
    if ALL:  # in the suite, the other style has them, of the same services
        deaths |= {f"pair-{number}": pair for number, pair in enumerate(_pairs_of_money(expected.deaths.seen["order"]))}
    ends = await walk(empty, tmp_path / "data", name, deaths)
    undone = {order_id for order_id in deaths if ends.books[order_id] != expected.books["order"]}
    assert {order_id: list(map(str, deaths[order_id])) for order_id in undone} == {}
    assert ends.violations == []
    assert expected.books["order"].status is WAYS[name].status
    assert not [order_id for order_id in ends.deaths.left() if order_id.startswith("order-")]  # all of them died


def _pairs_of_money(seen: Iterable[Point]) -> Iterator[tuple[Point, Point]]:
    """Of each two commits around the card processor."""
    works = {point.work for point in seen if point.database == "gateway"}
    of_money = [point for point in seen if point.work in works]
    return product(of_money, of_money)
