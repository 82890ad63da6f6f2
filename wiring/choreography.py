"""Constructs the choreographed saga: each service's reactions, and the deadlines."""

from typing import Any

from choreography.completeness import check
from choreography.deadlines import Deadlines, Limits
from choreography.reactions import REACTIONS
from choreography.reactor import Reactor
from kernel.service import Service
from messaging.subscription import Subscription
from services import SERVICES
from services.orders.declaration import ORDERS
from wiring.bus import EventBus
from wiring.bus_roles import Listeners, Maker


def makers(events: EventBus) -> list[Maker]:
    """The makers of each service's consumer, and of the deadlines. Raises IncompleteTable."""
    check(REACTIONS)

    def of(service: Service[Any]) -> Maker:
        return Maker(service.name, lambda: Listeners([reactions(events, service)]))

    return [*map(of, SERVICES), Maker("deadlines", lambda: Listeners(parts=[deadlines(events)]))]


def reactions(events: EventBus, service: Service[Any]) -> Subscription:
    """One service's consumer. Raises DatabaseDown, SettingsError."""
    policy = events.settings.policy
    port, database = events.services.open(service), events.services.database(service.name)
    reactor = Reactor(service, port, database, policy.step_deadline, policy.undo_deadline, REACTIONS)
    return reactor.subscription()


def deadlines(events: EventBus) -> Deadlines:
    policy = events.settings.policy
    limits = Limits(step=policy.step_deadline, undo=policy.undo_deadline, review=policy.review_deadline)
    return Deadlines(events.services.open(ORDERS), events.bus, events.locks, limits, events.progress)
