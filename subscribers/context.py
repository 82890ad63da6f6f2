"""What a subscriber is given, and what it gives: subscriptions."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from kernel.database import Storage
from messaging.subscription import Subscription


class SubscriberContext(Protocol):
    @property
    def data_dir(self) -> Path:
        """A folder for files."""
        ...

    def database(self, name: str) -> Storage:
        """The database of this name, which is the subscriber's own."""
        ...


Subscriber = Callable[[SubscriberContext], Iterable[Subscription]]
