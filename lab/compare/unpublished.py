"""Finds the orders that ended without an event: cancelled before the first step, before any service was called."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from lab.compare.watch import Watch
from services.orders.contracts import OrderStatus
from settings import Settings
from wiring.temporal import connect
from workflows.contracts import workflow_id
from workflows.visibility import ORDER_STATUS

_LOOK_SECONDS = 1.0


class Unpublished:
    """Polls the Temporal server for placed orders without an event. `ended_at` is in seconds since 1970."""

    def __init__(self, settings: Settings, watch: Watch, placed: Collection[str]) -> None:
        self._settings = settings
        self._watch = watch
        self._placed = placed
        self.ended_at: dict[str, float] = {}

    async def look_out(self) -> None:
        """Run until cancelled. Raises Unreachable."""
        client = await connect(self._settings)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for order_id in [one for one in self._placed if not self._watch.knows(one) and one not in self.ended_at]:
                with suppress(RPCError):  # it is being placed at this moment, or the server is busy
                    await self._look_at(client, order_id)

    async def _look_at(self, client: Client, order_id: str) -> None:
        described = await client.get_workflow_handle(workflow_id(order_id)).describe()
        if described.status is WorkflowExecutionStatus.COMPLETED and described.close_time:
            status = OrderStatus(described.typed_search_attributes.get(ORDER_STATUS) or OrderStatus.IN_PROGRESS)
            self.ended_at[order_id] = described.close_time.timestamp()
            self._watch.ended_unpublished(order_id, status)
