"""Runs the roles that are on the bus."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from kernel.envelope import CloudEvent
from messaging.subscription import Subscription
from settings import Settings
from wiring.bus import EventBus
from wiring.bus_roles import CONSUMERS, RELAY, Part
from wiring.services import Services
from wiring.supervision import Supervised


def all_subscriptions(events: EventBus) -> list[Subscription]:
    """Of every role that consumes. Raises SettingsError."""
    return [one for role in CONSUMERS.values() for one in role(events).subscriptions]


def settle(events: EventBus, consumer: str, event: CloudEvent) -> None:
    """Have the consumer know, in its own database, that a person has dealt with this event. Raises SettingsError."""
    for subscription in all_subscriptions(events):
        if subscription.name == consumer:
            subscription.settle(event)


@asynccontextmanager
async def listening(
    settings: Settings, services: Services, roles: Sequence[str]
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run the relay, the services' reactions and the subscribers, as far as they are among the roles.

    Gives the tasks, none of which ends by itself: a part that fails is run again. At the end of the block, what was
    begun is finished, and what it published is on the bus.

    Raises:
        SettingsError: a database does not answer at the start.
    """
    events = EventBus(settings, services)
    relay = events.relay() if RELAY in roles else None
    nudge = relay.nudge if relay else _leave_it
    listeners: list[Part] = []
    for role in (role for role in CONSUMERS if role in roles):
        of_role = CONSUMERS[role](events)
        listeners += [events.consumer(one, nudge) for one in of_role.subscriptions]
        listeners += of_role.parts
    relays: list[Part] = [relay] if relay else []
    # The relay last: it takes on what the others still write.
    in_order = [[Supervised(part) for part in parts] for parts in (listeners, relays)]
    running = [[asyncio.create_task(part.run()) for part in parts] for parts in in_order]
    try:
        yield [task for tasks in running for task in tasks]
    finally:
        for parts, tasks in zip(in_order, running, strict=True):
            for part in parts:
                part.stop()
            if tasks:
                await asyncio.wait(tasks)
        await events.close()


def _leave_it() -> None:
    """Another process relays, and polls."""
