"""An order's letters to its customer, as the subscriber `notifications` writes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

import kernel.inbox as inbox
from messaging.bus import Recorded
from subscribers.mail_texts import MAILED, mail_text
from subscribers.notifications import NAME
from wiring.bus import EventBus


@dataclass(frozen=True)
class Letter:
    """`at` in milliseconds since 1970."""

    at: int
    subject: str
    body: str
    is_sent: bool


def letters_of(events: EventBus, recorded: Sequence[Recorded]) -> list[Letter]:
    """The letters of these events, the oldest first."""
    causes = [one.event for one in recorded if one.event.type in MAILED]
    try:
        sent = inbox.known(events.database(NAME), causes)
    except SQLAlchemyError:
        sent = set()  # no subscriber has run here yet
    texts = [(event, mail_text(event)) for event in causes]
    return [
        Letter(round(event.time.timestamp() * 1000), text.subject, text.body, event.id in sent)
        for event, text in texts
        if text
    ]
