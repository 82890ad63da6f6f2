"""What can be done with an order, in either style: each style implements this protocol."""

from collections.abc import Awaitable
from typing import Protocol

from client.contracts import PlacedOrder, Resolution, Review
from client.order import Order


class OrderClient(Protocol):
    def place(self, order: Order) -> Awaitable[None]:
        """Place the order; the same order again is the first one. Raises DifferentContent, NotNow."""
        ...

    def get(self, order_id: str) -> Awaitable[PlacedOrder]:
        """Where an order stands, also when no worker runs. Raises NoSuchOrder."""
        ...

    def outcome(self, order_id: str) -> Awaitable[PlacedOrder]:
        """Wait until the order has ended, or waits for a person. Raises NoSuchOrder."""
        ...

    def cancel(self, order_id: str, reason: str, actor: str = "") -> Awaitable[None]:
        """Cancel the order for its customer; `actor` is who else does so. Raises NoSuchOrder, NotNow."""
        ...

    def review(self, order_id: str, review: Review) -> Awaitable[None]:
        """A person's decision on an order held as a possible fraud. Raises NoSuchOrder, NotNow."""
        ...

    def resolve(self, order_id: str, resolution: Resolution) -> Awaitable[None]:
        """An operator's way out of needs-attention. Raises NoSuchOrder, NotNow."""
        ...
