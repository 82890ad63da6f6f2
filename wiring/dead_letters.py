"""Lists, retries and discards dead letters, for the command line and the page."""

from kernel.envelope import NotAnEvent
from kernel.errors import UserError
from messaging.failure import DeliveryFailure, FailureState
from messaging.quarantine import Quarantine, QuarantinedMessage
from services import SERVICES
from wiring.bus import EventBus
from wiring.choreographed_orders import choreography_client
from wiring.listening import settle

DeadLetter = DeliveryFailure | QuarantinedMessage

_REACTING = {service.name for service in SERVICES}


class StillUnreadable(UserError):
    """This release cannot read the message either."""


def dead_letters(events: EventBus, consumer: str = "", order: str = "") -> list[DeadLetter]:
    """All of them, or those of one consumer or order."""
    progress = events.progress
    dead = progress.failures(FailureState.DEAD, consumer=consumer, correlation=order)
    return [*dead, *Quarantine(progress).messages(consumer=consumer, correlation=order)]


async def retry(events: EventBus, dead_letter: DeadLetter, actor: str = "") -> None:
    """Have it handled again, by the consumer that gave it up; `actor` is the operator. Raises StillUnreadable."""
    if isinstance(dead_letter, QuarantinedMessage):
        _read_again(events, dead_letter)
    elif dead_letter.consumer in _REACTING:
        await choreography_client(events).retry(dead_letter, actor)
    else:
        events.progress.requeue(dead_letter.consumer, dead_letter.id)


def discard(events: EventBus, dead_letter: DeadLetter, note: str) -> None:
    """Discard it: it will never be handled."""
    if isinstance(dead_letter, DeliveryFailure):
        settle(events, dead_letter.consumer, dead_letter.recorded.event)
    events.progress.discard(dead_letter.consumer, dead_letter.id, note)


def _read_again(events: EventBus, message: QuarantinedMessage) -> None:
    try:
        Quarantine(events.progress).read_again(message.consumer, message.id)
    except NotAnEvent as error:
        raise StillUnreadable(
            f"{message.id} still cannot be read ({error}); install a release that can, or discard it"
        ) from None
