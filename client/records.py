"""An order as the orders service has it on record, which may differ from its workflow or its events."""

import json
from collections.abc import Awaitable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from client.contracts import OrderState, PlacedOrder, Stage
from client.differences import different_content
from client.errors import DifferentContent
from client.order import Order
from kernel.contracts import Policy, Style
from kernel.money import Money
from services.orders.contracts import OrderStatus


@dataclass(frozen=True)
class OrderOnRecord:
    """`problem` is what an operator must settle, or empty; `ends` is the status without regard to it.

    `placed` is the customer's order as JSON; empty if release 0.1 recorded it. `policy` is the order's own, if it has
    one.
    """

    order_id: str
    customer_id: str
    style: Style
    ends: OrderStatus
    problem: str
    reason: str
    total: Money
    placed_at: datetime
    placed: str = field(repr=False)  # personal
    policy: Policy | None

    @property
    def has_ended(self) -> bool:
        return self.ends is not OrderStatus.IN_PROGRESS

    @property
    def state(self) -> OrderState:
        status = OrderStatus.NEEDS_ATTENTION if self.problem else self.ends
        stages = {OrderStatus.NEEDS_ATTENTION: Stage.ATTENTION, OrderStatus.IN_PROGRESS: Stage.PROCESSING}
        return OrderState(
            order_id=self.order_id,
            status=status,
            stage=stages.get(status, Stage.ENDED),
            reason=self.reason,
            total=self.total,
            problems=(self.problem,) if self.problem else (),
        )

    @property
    def as_placed(self) -> PlacedOrder:
        return PlacedOrder(self.state, style=self.style, placed_at=self.placed_at)

    def check_same(self, order: Order, style: Style) -> None:
        """Raises DifferentContent unless this is the record of that order, in that style."""
        placed = json.loads(self.placed or "{}")
        content = order.content()
        if self.style is not style:
            raise DifferentContent(
                f"order {order.order_id} exists already, in style {self.style}; use another --order-id for the new one"
            )
        if placed != {name: content.get(name) for name in placed}:
            raise different_content(order.order_id, placed, content)


class OrderRecords(Protocol):
    """Reads the orders service's records. Each method raises SettingsError if they cannot be read."""

    def find(self, order_id: str) -> Awaitable[OrderOnRecord | None]: ...

    def of(self, order_ids: Collection[str]) -> Awaitable[dict[str, OrderOnRecord]]:
        """The records of these orders, by id, without those that have none."""
        ...

    def newest(self, style: Style, status: OrderStatus | None, limit: int) -> Awaitable[list[OrderOnRecord]]:
        """The newest orders first."""
        ...

    def unsettled(self, style: Style) -> Awaitable[list[OrderOnRecord]]:
        """All orders that are in progress or need an operator."""
        ...
