"""Simulated people: customers who place and cancel orders, and a reviewer of possible frauds."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from temporalio.service import RPCError

from client.contracts import Review
from client.errors import NotNow
from client.protocol import OrderClient
from lab.compare.orders import Planned
from lab.compare.watch import Watch
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud
from services.shipping.events import Shipped

_PAUSE_SECONDS = 0.5


class Actors:
    """Act as planned, and retry calls that are not answered. `placed_at` is in seconds since 1970."""

    def __init__(self, client: OrderClient, watch: Watch) -> None:
        self._client = client
        self._watch = watch
        self._began = time.monotonic()
        self.placed_at: dict[str, float] = {}

    async def attend(self, planned: Planned) -> None:
        """One order's actions, from placing it to the last decision."""
        order_id = planned.order.order_id
        await asyncio.sleep(self._began + planned.after - time.monotonic())
        self.placed_at[order_id] = time.time()
        await self._client.place(planned.order)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._review(planned))
            if planned.cancel_after is not None:
                group.create_task(self._cancel(order_id, planned.cancel_after))

    async def _review(self, planned: Planned) -> None:
        order_id = planned.order.order_id
        review = Review(decision=planned.decision, note="looked at by a person")
        await self._watch.until(
            lambda: self._watch.is_finished(order_id) or self._watch.has_event(order_id, PossibleFraud)
        )

        def is_decided() -> bool:
            return self._watch.is_finished(order_id) or self._watch.has_event(order_id, NoFraudDetected, FraudConfirmed)

        await self._until_answered(lambda: self._client.review(order_id, review), is_decided)

    async def _cancel(self, order_id: str, after: float) -> None:
        await asyncio.sleep(after)

        def is_too_late() -> bool:
            return self._watch.is_finished(order_id) or self._watch.has_event(order_id, Shipped)

        await self._until_answered(lambda: self._client.cancel(order_id, "changed my mind"), is_too_late)

    async def _until_answered(self, ask: Callable[[], Awaitable[None]], is_over: Callable[[], bool]) -> None:
        while not is_over():
            try:
                await ask()
            except (NotNow, RPCError):  # not yet, or too late; or the worker was killed while it was asked
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
