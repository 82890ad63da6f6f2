"""Constructs the subscribers."""

from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from kernel.environment import one_line
from kernel.errors import DatabaseDown
from subscribers.context import Subscriber
from subscribers.table import SUBSCRIBERS
from wiring.bus import EventBus
from wiring.bus_roles import Listeners, Maker


def makers(events: EventBus) -> list[Maker]:
    """A maker of each subscriber's consumers."""

    return [Maker(_name(subscriber), partial(_listeners, events, subscriber)) for subscriber in SUBSCRIBERS]


def _listeners(events: EventBus, subscriber: Subscriber) -> Listeners:
    try:
        return Listeners(list(subscriber(events)))
    except SQLAlchemyError as error:
        raise DatabaseDown(f"the database of {_name(subscriber)} cannot be used: {one_line(error)[:300]}") from None


def _name(subscriber: Subscriber) -> str:
    """As its consumer is called."""
    return getattr(subscriber, "__name__", "a subscriber").replace("_", "-")
