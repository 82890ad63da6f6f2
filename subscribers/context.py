"""What a subscriber gets, and what it returns: subscriptions."""

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
        """The subscriber's own database of this name."""
        ...


Subscriber = Callable[[SubscriberContext], Iterable[Subscription]]
