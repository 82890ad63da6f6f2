"""The roles that are on the bus. A role loads what it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from messaging.subscription import Subscription
    from settings import Settings
    from wiring.bus import EventBus
    from wiring.services import Services


class Part(Protocol):
    """Something that works until it is stopped, and then finishes what is under way."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True)
class Listeners:
    """What a role runs on the bus; `parts` beside its consumers."""

    subscriptions: list[Subscription] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


def _choreography(events: EventBus) -> Listeners:
    from wiring.choreography import deadlines, reactions

    return Listeners(reactions(events), [deadlines(events)])


def _subscribers(events: EventBus) -> Listeners:
    from wiring.subscribers import subscriptions

    return Listeners(subscriptions(events))


RELAY = "relay"
CONSUMERS: dict[str, Callable[[EventBus], Listeners]] = {
    "choreography": _choreography,
    "subscribers": _subscribers,
}
ON_THE_BUS = (RELAY, *CONSUMERS)


@asynccontextmanager
async def on_the_bus(
    settings: Settings, services: Services, roles: Sequence[str]
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run what these roles have on the bus; gives the tasks, which end only in trouble. Raises SettingsError."""
    if not set(roles) & set(ON_THE_BUS):
        yield []
        return
    from wiring.listening import listening

    async with listening(settings, services, roles) as tasks:
        yield tasks
