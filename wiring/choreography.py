"""Constructs the choreographed saga: each service's reactions, and the deadlines."""

from choreography.completeness import check
from choreography.deadlines import Deadlines, Limits
from choreography.reactions import REACTIONS
from choreography.reactor import Reactor
from messaging.subscription import Subscription
from services import SERVICES
from services.orders.declaration import ORDERS
from wiring.bus import EventBus


def reactions(events: EventBus) -> list[Subscription]:
    """One consumer a service. Raises IncompleteTable, SettingsError."""
    check(REACTIONS)
    policy = events.settings.policy
    return [
        Reactor(
            service,
            events.services.open(service),
            events.services.database(service.name),
            policy.step_deadline,
            policy.undo_deadline,
            REACTIONS,
        ).subscription()
        for service in SERVICES
    ]


def deadlines(events: EventBus) -> Deadlines:
    policy = events.settings.policy
    limits = Limits(step=policy.step_deadline, undo=policy.undo_deadline, review=policy.review_deadline)
    return Deadlines(events.services.open(ORDERS), events.bus, events.locks, limits, events.progress)
