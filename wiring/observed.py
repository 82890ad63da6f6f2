"""The parts of a worker that are observed: the sources of its metrics, and of its readiness checks."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from client.attention import AttentionEntry
from kernel.database import Database
from messaging.subscription import Subscription
from observability import samples
from observability.checks import Question
from observability.samples import Sample
from services import SERVICES
from services.orders.declaration import ORDERS
from settings import Settings
from wiring.attention import attention
from wiring.bus import EventBus
from wiring.bus_roles import CONSUMERS, ON_THE_BUS, RELAY, subscriptions_of
from wiring.clients import Clients
from wiring.observer import RunningWorker
from wiring.roles import OPERATIONS

FRESH_SECONDS = 10.0
_TIMEOUT_SECONDS = 4.0  # shorter than a source's deadline, so that a part without an answer is an entry of its own


class Observed:
    """One worker's parts. Its bus and its consumers' records are opened when they are first used."""

    def __init__(self, settings: Settings, worker: RunningWorker) -> None:
        self._settings = settings
        self.worker = worker
        self._events: EventBus | None = None
        self._subscriptions: list[Subscription] | None = None
        self._opening = asyncio.Lock()
        self._clients: Clients | None = None
        self._entries: Sequence[AttentionEntry] = ()
        self._asked_at = -FRESH_SECONDS

    def has(self, role: str) -> bool:
        return role in self.worker.roles

    @property
    def is_on_the_bus(self) -> bool:
        return any(map(self.has, ON_THE_BUS))

    def databases(self) -> Iterator[str]:
        """The names of the databases that its roles write to."""
        all_services = self.has(RELAY) or self.has("choreography")
        for service in SERVICES:
            if self.has(service.name) or all_services:
                yield service.name
            if self.has(service.name) or self.has("choreography"):
                yield from (provider.name for provider in service.providers)
        if self.is_on_the_bus:
            yield "consumers"
        if self.has("subscribers") and not self.database("subscribers").is_sqlite:  # there, each is a file of its own
            yield "subscribers"

    def database(self, name: str) -> Database:
        return self.worker.services.database(name)

    async def events(self) -> EventBus:
        """The bus, on its own connection. Raises SettingsError."""
        async with self._opening:
            if self._events is None:
                self._events = await asyncio.to_thread(EventBus, self._settings, self.worker.services)
        return self._events

    async def subscriptions(self) -> list[Subscription]:
        """The subscriptions of its roles. Raises SettingsError."""
        events = await self.events()
        async with self._opening:
            if self._subscriptions is None:
                roles = [role for role in CONSUMERS if self.has(role)]
                opened = [await asyncio.to_thread(subscriptions_of, role, events) for role in roles]
                self._subscriptions = [one for subscriptions in opened for one in subscriptions]
        return self._subscriptions

    def sources(self) -> dict[str, Question[list[Sample]]]:
        """The sources of samples, by name."""
        found: dict[str, Question[list[Sample]]] = {}
        if self.has(ORDERS.name):
            found["orders"] = partial(_in_thread, samples.orders_by_status, self.database(ORDERS.name))
        if self.has(RELAY):
            for service in SERVICES:
                age = partial(samples.outbox_age, service.name)
                found[f"outbox-{service.name}"] = partial(_in_thread, age, self.database(service.name))
        if self.is_on_the_bus:
            found |= {"consumers": self._failing, "bus": self._lag}
        if self.has(OPERATIONS):
            found["attention"] = self._attention
        return found

    async def _attention(self) -> list[Sample]:
        """Of the whole shop. This is expensive, so scrapes that follow each other closely share one result."""
        if time.monotonic() > self._asked_at + FRESH_SECONDS:
            self._asked_at, self._clients = time.monotonic(), self._clients or Clients(self._settings)
            self._entries = await attention(self._settings, self._clients, _TIMEOUT_SECONDS)
        return samples.needs_attention(self._entries)

    async def _failing(self) -> list[Sample]:
        names = [one.name for one in await self.subscriptions()]
        if self.has(RELAY):
            names += [f"{RELAY}-{service.name}" for service in SERVICES]
        return await asyncio.to_thread(samples.failing_events, (await self.events()).progress, names)

    async def _lag(self) -> list[Sample]:
        events, found = await self.events(), list[Sample]()
        for subscription in await self.subscriptions():
            positions = await asyncio.to_thread(events.progress.begun, subscription.name)
            found += await samples.consumer_lag(events.bus, subscription.name, positions)
        return found

    async def close(self) -> None:
        if self._clients:
            await self._clients.close()
        if self._events:
            await self._events.close()


async def _in_thread(take: Callable[[Database], list[Sample]], database: Database) -> list[Sample]:
    return await asyncio.to_thread(take, database)
