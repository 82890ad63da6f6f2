"""Constructs the periphery."""

from messaging.subscription import Subscription
from subscribers.table import SUBSCRIBERS
from wiring.bus import EventBus


def subscriptions(events: EventBus) -> list[Subscription]:
    """Raises SettingsError."""
    return [one for subscriber in SUBSCRIBERS for one in subscriber(events)]
