"""Orders on the Temporal server: started, looked at and told what to do."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from client.contracts import OrderState, PlacedOrder, Resolution, Review, Stage
from client.errors import DifferentContent, NoSuchOrder, NotNow
from services.orders.contracts import Order, OrderStatus
from settings import Settings
from workflows.contracts import ORDER_REASON, ORDER_STAGE, ORDER_STATUS, TASK_QUEUE, WORKFLOW, CancelRequest, PlaceOrder

T = TypeVar("T")

_PREFIX = "order-"
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 15
_QUERY_TIMEOUT = timedelta(seconds=3)
_WAITS_FOR_A_PERSON = (Stage.REVIEW, Stage.ATTENTION)


class OrchestrationClient:
    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    async def place(self, order: Order) -> None:
        """Start the order's saga; the same order again is the first one. Raises DifferentContent, NotNow."""
        content = hashlib.sha256(order.model_dump_json().encode()).hexdigest()
        try:
            await self._client.start_workflow(
                WORKFLOW,
                PlaceOrder(order=order, policy=self._settings.policy),
                id=_PREFIX + order.order_id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo={"content": content},
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(ORDER_STATUS, OrderStatus.IN_PROGRESS),
                        SearchAttributePair(ORDER_STAGE, Stage.PROCESSING),
                    ]
                ),
                static_summary=_summary(order),
                static_details="\n".join(f"- {line.quantity} × {line.sku}" for line in order.lines),
            )
        except WorkflowAlreadyStartedError:
            first = await self._handle(order.order_id).describe()
            if await first.memo_value("content", default=content) != content:
                raise DifferentContent(
                    f"order {order.order_id} exists already, with another content; give the new one another --order-id"
                ) from None
        except RPCError as error:
            if error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message.lower():
                raise NotNow(
                    "the server does not know the search attributes of orders yet; a worker makes them: start one first"
                ) from None
            raise

    async def get(self, order_id: str) -> PlacedOrder:
        """Where an order stands, also when no worker runs. Raises NoSuchOrder."""
        handle = self._handle(order_id)
        described = await self._described(handle, order_id)
        return self._placed(await self._state(handle, described), handle.id)

    async def outcome(self, order_id: str) -> PlacedOrder:
        """Wait until the order has ended, or waits for a person."""
        handle = self._handle(order_id)
        ended = asyncio.ensure_future(_ended(handle))
        try:
            while not (await asyncio.wait([ended], timeout=_POLL_SECONDS))[0]:
                described = await self._described(handle, order_id)
                if described.typed_search_attributes.get(ORDER_STAGE) in _WAITS_FOR_A_PERSON:
                    break
        finally:
            ended.cancel()
            await asyncio.wait([ended])
        return await self.get(order_id)

    async def recent(self, status: OrderStatus | None, limit: int) -> AsyncIterator[PlacedOrder]:
        """The newest orders first, as the server's index knows them."""
        query = f'WorkflowType = "{WORKFLOW}"' + (f' AND {ORDER_STATUS.name} = "{status}"' if status else "")
        async for execution in self._client.list_workflows(query, limit=limit):
            yield replace(self._placed(_from_index(execution), execution.id), placed_at=execution.start_time)

    async def cancel(self, order_id: str, reason: str) -> None:
        """Raises NoSuchOrder, NotNow."""
        await self._tell(order_id, "cancel", CancelRequest(reason=reason))

    async def review(self, order_id: str, review: Review) -> None:
        """Raises NoSuchOrder, NotNow."""
        await self._tell(order_id, "review", review)

    async def resolve(self, order_id: str, resolution: Resolution) -> None:
        """Raises NoSuchOrder, NotNow."""
        await self._tell(order_id, "resolve", resolution)

    def _handle(self, order_id: str) -> WorkflowHandle[Any, OrderState]:
        return self._client.get_workflow_handle(_PREFIX + order_id, result_type=OrderState)

    def _placed(self, state: OrderState, workflow_id: str) -> PlacedOrder:
        link = self._settings.link(self._client.namespace, workflow_id)
        return PlacedOrder(state, workflow_id=workflow_id, link=link)

    async def _described(self, handle: WorkflowHandle[Any, OrderState], order_id: str) -> WorkflowExecution:
        try:
            return await handle.describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NoSuchOrder(f"there is no order {order_id}; 'starter.py list' shows those that are") from None
            raise

    async def _state(self, handle: WorkflowHandle[Any, OrderState], described: WorkflowExecution) -> OrderState:
        if described.status is WorkflowExecutionStatus.COMPLETED:
            return await handle.result()
        with suppress(RPCError, WorkflowQueryFailedError):  # without a worker, the index has to do
            state: OrderState = await handle.query("state", result_type=OrderState, rpc_timeout=_QUERY_TIMEOUT)
            if described.status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CANCELED):
                return state
        return _from_index(described)

    async def _tell(self, order_id: str, update: str, word: CancelRequest | Review | Resolution) -> None:
        handle = self._handle(order_id)
        described = await self._described(handle, order_id)
        if described.status is not WorkflowExecutionStatus.RUNNING:
            state = _from_index(described)
            raise NotNow(f"order {order_id} has ended already: {state.status}")
        try:
            await _answered(handle.execute_update(update, word))
        except WorkflowUpdateFailedError as error:
            raise NotNow(f"order {order_id}: {getattr(error.cause, 'message', error.cause)}") from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotNow(f"order {order_id} has just ended") from None
            raise


def _summary(order: Order) -> str:
    first = f"{order.lines[0].quantity} × {order.lines[0].sku}"
    more = f" and {len(order.lines) - 1} more" if len(order.lines) > 1 else ""
    return f"{first}{more}, to {order.ship_to.country}"


async def _answered(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await call
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise NotNow(
            f"no worker answered within {_ANSWER_SECONDS} s; is worker.py running? Look at the order, then ask again"
        ) from None


async def _ended(handle: WorkflowHandle[Any, OrderState]) -> None:
    with suppress(WorkflowFailureError):  # cancelled, or terminated by force: `look` says which
        await handle.result()


def _from_index(execution: WorkflowExecution) -> OrderState:
    attributes = execution.typed_search_attributes
    status = OrderStatus(attributes.get(ORDER_STATUS) or OrderStatus.IN_PROGRESS)
    stage = Stage(attributes.get(ORDER_STAGE) or Stage.PROCESSING)
    reason = attributes.get(ORDER_REASON) or ""
    if execution.status not in (WorkflowExecutionStatus.RUNNING, None) and stage is not Stage.ENDED:
        # Only force ends a saga before its end: terminate runs no compensation.
        how = execution.status.name.lower() if execution.status else "ended"
        status, reason = OrderStatus.NEEDS_ATTENTION, f"{how} by force in Temporal: nothing was undone"
    return OrderState(order_id=execution.id.removeprefix(_PREFIX), status=status, stage=stage, reason=reason)
