"""Runs the roles that are on the bus."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from kernel.envelope import CloudEvent
from kernel.service import Service
from messaging.relay import Relay
from messaging.subscription import Subscription
from services import SERVICES
from settings import Settings
from wiring.bus import EventBus
from wiring.bus_roles import CONSUMERS, RELAY, Maker, subscriptions_of
from wiring.services import Services
from wiring.supervision import OnceMade, Part, Parts, Supervised, first_attempt


def all_subscriptions(events: EventBus) -> list[Subscription]:
    """The subscriptions of every role that consumes events. Raises SettingsError."""
    return [one for role in CONSUMERS for one in subscriptions_of(role, events)]


def settle(events: EventBus, consumer: str, event: CloudEvent) -> None:
    """Record in the consumer's own database that a person has settled this event. Raises SettingsError."""
    for subscription in all_subscriptions(events):
        if subscription.name == consumer:
            subscription.settle(event)


@asynccontextmanager
async def listening(
    settings: Settings, services: Services, roles: Sequence[str], parts: Parts | None = None
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run the relay, the services' reactions and the subscribers, as far as they are among the roles.

    Yields the tasks, none of which ends by itself: a part that fails is run again, and one whose database does not
    answer at the start begins when it does. At the end of the block, handlers under way finish, and their events are
    published.

    Args:
        parts: gets the state of each part.

    Raises:
        SettingsError: a setting is wrong, so that waiting would not help.
    """
    parts = parts or Parts()
    events = EventBus(settings, services, is_open=False)
    relays: dict[str, Relay] = {}

    def nudge(consumer: str) -> None:
        """Only services' reactions write to an outbox; subscribers do not."""
        if consumer in relays:
            relays[consumer].nudge()

    def consumers(maker: Maker) -> Sequence[Part]:
        made = maker.make()
        return [*(events.consumer(one, partial(nudge, one.name)) for one in made.subscriptions), *made.parts]

    def relay(service: Service[Any]) -> Sequence[Part]:
        relays[service.name] = events.relay(service)
        return [relays[service.name]]

    makers = [maker for role in CONSUMERS if role in roles for maker in CONSUMERS[role](events)]

    def opened() -> Sequence[Part]:
        events.open()
        return ()

    opening = OnceMade("bus", opened, parts)
    of_consumers = [OnceMade(f"consumer {one.name}", partial(consumers, one), parts, opening) for one in makers]
    relayed = SERVICES if RELAY in roles else ()
    of_relays = [OnceMade(f"relay of {one.name}", partial(relay, one), parts, opening) for one in relayed]
    # The relays stop last: they publish what the others still write.
    in_order = ([opening], of_consumers, of_relays)
    supervised = [[Supervised(part, part.name, parts) for part in some] for some in in_order]
    try:
        await first_attempt([opening])
        if opening.is_made.is_set():
            await first_attempt([*of_consumers, *of_relays])
    except BaseException:
        await events.close()
        raise
    running = [[asyncio.create_task(part.run()) for part in some] for some in supervised]
    try:
        yield [task for tasks in running for task in tasks]
    finally:
        for some, tasks in zip(supervised, running, strict=True):
            for part in some:
                part.stop()
            if tasks:
                await asyncio.wait(tasks)
        await events.close()
