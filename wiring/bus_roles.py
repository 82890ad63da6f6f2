"""The roles that run on the bus. Each imports what it runs when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from messaging.subscription import Subscription
    from settings import Settings
    from wiring.bus import EventBus
    from wiring.services import Services
    from wiring.supervision import Part, Parts


@dataclass(frozen=True)
class Listeners:
    """What a role runs on the bus: its consumers, and other `parts`."""

    subscriptions: list[Subscription] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Maker:
    """Makes some of a role's consumers and parts; raises DatabaseDown until the databases that they need answer."""

    name: str
    make: Callable[[], Listeners]


def _choreography(events: EventBus) -> list[Maker]:
    from wiring.choreography import makers

    return makers(events)


def _subscribers(events: EventBus) -> list[Maker]:
    from wiring.subscribers import makers

    return makers(events)


RELAY = "relay"
CONSUMERS: dict[str, Callable[[EventBus], list[Maker]]] = {
    "choreography": _choreography,
    "subscribers": _subscribers,
}
ON_THE_BUS = (RELAY, *CONSUMERS)


def subscriptions_of(role: str, events: EventBus) -> list[Subscription]:
    """All of the role's subscriptions. Raises DatabaseDown, SettingsError."""
    return [one for maker in CONSUMERS[role](events) for one in maker.make().subscriptions]


def makers_of_consumers(events: EventBus) -> list[Maker]:
    """Those of every role that consumes events."""
    return [maker for makers in CONSUMERS.values() for maker in makers(events)]


@asynccontextmanager
async def on_the_bus(
    settings: Settings, services: Services, roles: Sequence[str], parts: Parts | None = None
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run these roles' parts on the bus; yields the tasks, which end only on failure. Raises SettingsError."""
    if not set(roles) & set(ON_THE_BUS):
        yield []
        return
    from wiring.listening import listening

    async with listening(settings, services, roles, parts) as tasks:
        yield tasks
