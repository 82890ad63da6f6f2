"""Orders on the Temporal server: start, query and update them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from client.attention import AttentionEntry
from client.contracts import OrderState, PlacedOrder, Resolution, Review, Stage
from client.errors import DifferentContent, NoSuchOrder, NotNow
from client.free_text import check_length
from client.order import Order
from kernel.contracts import Policy, Steps
from services.orders.contracts import OrderStatus
from workflows.attention import OrchestratedAttention
from workflows.contracts import (
    BEING_CANCELLED,
    TASK_QUEUE,
    WORKFLOW,
    CancelRequest,
    OrderInput,
    PlaceOrder,
    workflow_id,
)
from workflows.order_saga import OrderSaga
from workflows.pending import pending_steps
from workflows.visibility import FIRST_ATTRIBUTES, ORDER_STAGE, ORDER_STATUS, details, indexed_state, summary

T = TypeVar("T")
Handle = WorkflowHandle[OrderSaga, OrderState]

_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 15
_TASK_TIMEOUT = timedelta(seconds=10)
_QUERY_TIMEOUT = timedelta(seconds=3)
_WAITS_FOR_A_PERSON = (Stage.REVIEW, Stage.ATTENTION)


class OrchestrationClient:
    """A `client.protocol.OrderClient`.

    Args:
        policy: travels with the orders placed here.
        link: of a namespace and a workflow's id, to the workflow's page.
        steps: where the steps of the orders placed here are tried first.
    """

    def __init__(
        self, client: Client, policy: Policy, link: Callable[[str, str], str], steps: Steps = Steps.IN_PLACE
    ) -> None:
        self._client = client
        self._policy = policy
        self._link = link
        self._steps = steps

    async def place(self, order: Order) -> None:
        """Start the order's saga; the same order again is the first one. Raises DifferentContent, NotNow."""
        content, given = order.digest(), OrderInput.of(order)
        try:
            await self._client.start_workflow(
                OrderSaga.run,
                PlaceOrder(order=given, policy=self._policy, steps=self._steps),
                id=workflow_id(order.order_id),
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                # A worker that dies at a step in place is noticed when the workflow task times out.
                task_timeout=min(_TASK_TIMEOUT, timedelta(seconds=max(self._policy.attempt_timeout, 2))),
                memo={"content": content},
                search_attributes=FIRST_ATTRIBUTES,
                static_summary=summary(given),
                static_details=details(given),
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
        return replace(self._placed(await self._state(handle, described), handle.id), pending=pending_steps(described))

    async def attention(self, after: timedelta) -> list[AttentionEntry]:
        """What of all orders needs a person; of steps, those that have been tried for longer than `after`."""
        return await OrchestratedAttention(self._client, self._link, after).entries()

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
            yield replace(self._placed(indexed_state(execution), execution.id), placed_at=execution.start_time)

    async def cancel(self, order_id: str, reason: str) -> None:
        """Raises NoSuchOrder, NotNow, TooLong."""
        check_length(reason)
        request = CancelRequest(reason=reason)
        await self._update(order_id, lambda saga: saga.execute_update(OrderSaga.cancel, request))

    async def review(self, order_id: str, review: Review) -> None:
        """Raises NoSuchOrder, NotNow, TooLong."""
        check_length(review.note)
        await self._update(order_id, lambda saga: saga.execute_update(OrderSaga.review, review))

    async def resolve(self, order_id: str, resolution: Resolution) -> None:
        """Raises NoSuchOrder, NotNow, TooLong."""
        check_length(resolution.note)
        await self._update(order_id, lambda saga: saga.execute_update(OrderSaga.resolve, resolution))

    def _handle(self, order_id: str) -> Handle:
        return self._client.get_workflow_handle_for(OrderSaga.run, workflow_id(order_id))

    def _placed(self, state: OrderState, workflow_id: str) -> PlacedOrder:
        return PlacedOrder(state, workflow_id=workflow_id, link=self._link(self._client.namespace, workflow_id))

    async def _described(self, handle: Handle, order_id: str) -> WorkflowExecutionDescription:
        try:
            return await handle.describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NoSuchOrder(f"there is no order {order_id}; 'starter.py list' shows those that are") from None
            raise

    async def _state(self, handle: Handle, described: WorkflowExecution) -> OrderState:
        """The saga's own word, as far as there is a worker to give it and nothing was ended by force."""
        if described.status is WorkflowExecutionStatus.COMPLETED:
            return await handle.result()
        if described.status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CANCELED):
            with suppress(RPCError, WorkflowQueryFailedError):
                return await handle.query(OrderSaga.state, rpc_timeout=_QUERY_TIMEOUT)
        return indexed_state(described)

    async def _update(self, order_id: str, update: Callable[[Handle], Awaitable[None]]) -> None:
        handle = self._handle(order_id)
        described = await self._described(handle, order_id)
        if described.status is not WorkflowExecutionStatus.RUNNING:
            raise NotNow(f"order {order_id} has ended already: {indexed_state(described).status}")
        try:
            await _answered(update(handle))
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == BEING_CANCELLED:
                return  # as asked
            raise NotNow(f"order {order_id}: {getattr(error.cause, 'message', error.cause)}") from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotNow(f"order {order_id} has just ended") from None
            raise


async def _answered(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await call
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise NotNow(
            f"no worker answered within {_ANSWER_SECONDS} s; is worker.py running? Look at the order, then ask again"
        ) from None


async def _ended(handle: Handle) -> None:
    with suppress(WorkflowFailureError):  # cancelled, or terminated by force: `look` says which
        await handle.result()
