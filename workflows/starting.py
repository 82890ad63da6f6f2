"""Starts an order's saga, and starts it again under the same id if its run ended before the order or is lost.

A second run is safe, since each operation has its effect once under its idempotency key: what was done returns its
first answer, and what was undone stays undone.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from client.errors import NotNow
from client.order import Order
from client.records import OrderOnRecord
from kernel.contracts import Policy, Steps
from workflows.contracts import TASK_QUEUE, CancelRequest, OrderInput, PlaceOrder, workflow_id
from workflows.order_saga import OrderSaga
from workflows.visibility import FIRST_ATTRIBUTES, details, summary


class Starting:
    """Args: policy, steps: travel with the orders that are started here."""

    def __init__(self, client: Client, policy: Policy, steps: Steps) -> None:
        self._client = client
        self._policy = policy
        self._steps = steps

    async def start(self, order: Order) -> bool:
        """Start the saga. Returns False if the order already has a workflow. Raises NotNow."""
        place = PlaceOrder(order=OrderInput.of(order), policy=self._policy, steps=self._steps)
        try:
            await self._start(place, {"content": order.digest()}, WorkflowIDReusePolicy.REJECT_DUPLICATE)
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def start_again(
        self,
        order_id: str,
        record: OrderOnRecord | None,
        order: Order | None = None,
        *,
        cancelled_by: CancelRequest | None = None,
    ) -> None:
        """Start a new run with the input of the first one, else with the order on record, else with the given one.

        It does nothing if another client was quicker. Raises NotNow.
        """
        first, memo = await self.first(order_id)
        if first is None and record is not None and record.placed:
            order_as_placed = OrderInput.model_validate_json(record.placed)
            first = PlaceOrder(order=order_as_placed, policy=record.policy or self._policy)
        if first is None and order is not None:
            first = PlaceOrder(order=OrderInput.of(order), policy=self._policy)
        if first is None:
            raise NotNow(
                f"order {order_id}: neither Temporal nor the orders service still has its content; "
                "place the same order again"
            )
        first = first.model_copy(update={"again": True})
        again = WorkflowIDReusePolicy.ALLOW_DUPLICATE
        with suppress(WorkflowAlreadyStartedError):
            if cancelled_by is None:
                await self._start(first, memo, again)
            else:
                await self._start_cancelled(first, memo, cancelled_by)

    async def _start(self, place: PlaceOrder, memo: Mapping[str, object], reuse: WorkflowIDReusePolicy) -> None:
        """Raises WorkflowAlreadyStartedError, NotNow."""
        try:
            await self._client.start_workflow(
                OrderSaga.run,
                place,
                id=workflow_id(place.order.order_id),
                task_queue=TASK_QUEUE,
                task_timeout=_task_timeout(place.policy),
                id_reuse_policy=reuse,
                memo=memo,
                search_attributes=FIRST_ATTRIBUTES,
                static_summary=summary(place.order),
                static_details=details(place.order),
            )
        except RPCError as error:
            if error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message.lower():
                raise NotNow(
                    "the server does not know the search attributes of orders yet; start a worker, which creates them"
                ) from None
            raise

    async def _start_cancelled(self, place: PlaceOrder, memo: Mapping[str, object], request: CancelRequest) -> None:
        """Start a run that is cancelled before its first step, so that it only undoes.

        Raises WorkflowAlreadyStartedError.
        """
        start = WithStartWorkflowOperation(
            OrderSaga.run,
            place,
            id=workflow_id(place.order.order_id),
            task_queue=TASK_QUEUE,
            task_timeout=_task_timeout(place.policy),
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            memo=memo,
            search_attributes=FIRST_ATTRIBUTES,
            static_summary=summary(place.order),
            static_details=details(place.order),
        )
        await self._client.execute_update_with_start_workflow(OrderSaga.cancel, request, start_workflow_operation=start)

    async def first(self, order_id: str) -> tuple[PlaceOrder | None, Mapping[str, object]]:
        """The input and the memo of the order's latest run; None and empty if the server does not know the order."""
        handle = self._client.get_workflow_handle(workflow_id(order_id))
        try:
            memo = await (await handle.describe()).memo()
            async for event in handle.fetch_history_events(page_size=1):
                given = event.workflow_execution_started_event_attributes.input.payloads
                [place] = await self._client.data_converter.decode(given, [PlaceOrder])
                return place, memo
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return None, {}


def _task_timeout(policy: Policy) -> timedelta:
    """The workflow task timeout, after which the death of a worker during a local activity is noticed."""
    return timedelta(seconds=min(10, max(2, policy.attempt_timeout)))
