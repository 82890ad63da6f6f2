"""What clients can do with orders; each style implements this protocol."""

from collections.abc import Awaitable
from typing import Protocol

from client.contracts import OrderHistory, PlacedOrder, Resolution, Review
from client.order import Order


class OrderClient(Protocol):
    def place(self, order: Order) -> Awaitable[None]:
        """Place the order. Placing the same order again has no further effect. Raises DifferentContent, NotNow."""
        ...

    def get(self, order_id: str) -> Awaitable[PlacedOrder]:
        """The order's state; no worker is needed. Raises NoSuchOrder."""
        ...

    def history(self, order_id: str) -> Awaitable[OrderHistory]:
        """The order's failed attempts and resolutions, the oldest first. Raises NoSuchOrder."""
        ...

    def outcome(self, order_id: str) -> Awaitable[PlacedOrder]:
        """Wait until the order has ended or needs a person. Raises NoSuchOrder."""
        ...

    def cancel(self, order_id: str, reason: str, actor: str = "") -> Awaitable[None]:
        """Cancel the order; `actor` is who does so on the customer's behalf. Raises NoSuchOrder, NotNow."""
        ...

    def review(self, order_id: str, review: Review) -> Awaitable[None]:
        """Approve or decline an order that is held as a possible fraud. Raises NoSuchOrder, NotNow."""
        ...

    def resolve(self, order_id: str, resolution: Resolution) -> Awaitable[None]:
        """Apply an operator's decision to an order that needs attention. Raises NoSuchOrder, NotNow."""
        ...
