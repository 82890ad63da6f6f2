"""The parts of the system that can be run alone. A role loads what it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from services import SERVICES
from workflows.contracts import TASK_QUEUE

if TYPE_CHECKING:
    from messaging.subscription import Subscription
    from wiring.bus import EventBus


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


SAGA = TASK_QUEUE
HOSTS = tuple(service.name for service in SERVICES)  # each is its service's task queue, too
RELAY = "relay"
CONSUMERS: dict[str, Callable[[EventBus], Listeners]] = {
    "choreography": _choreography,
    "subscribers": _subscribers,
}

ON_TEMPORAL = (SAGA, *HOSTS)
ON_THE_BUS = (RELAY, *CONSUMERS)
ROLES = (*ON_TEMPORAL, *ON_THE_BUS)
