"""The dead letters of the services that react."""

from choreography.reactions import REACTIONS
from messaging.failure import FailureState
from messaging.progress import Progress

SERVICES = {line.service.name for line in REACTIONS}


def given_up(progress: Progress) -> list[str]:
    """The orders with an event that a service gave up on."""
    dead = (one for one in progress.failures(FailureState.DEAD) if one.consumer in SERVICES)
    return list(dict.fromkeys(one.recorded.event.correlationid for one in dead))
