"""A client of orchestrated orders: starts, queries and updates their workflows on the Temporal server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from client.attention import AttentionEntry
from client.contracts import OrderHistory, OrderState, PlacedOrder, Resolution, ResolveBy, Review, Stage
from client.differences import different_content
from client.errors import NotNow
from client.free_text import check_length
from client.order import Order
from client.records import OrderRecords
from kernel.contracts import Policy, Steps, Style
from kernel.errors import SettingsError
from services.orders.contracts import OrderStatus
from workflows.attention import OrchestratedAttention
from workflows.contracts import BEING_CANCELLED, CancelRequest, workflow_id
from workflows.failing_tasks import failing_task
from workflows.handles import Handle
from workflows.histories import history
from workflows.lookup import Known, Lookup
from workflows.order_saga import OrderSaga
from workflows.standing import Run
from workflows.starting import Starting
from workflows.visibility import ORDER_STAGE

T = TypeVar("T")

_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 15
_WAITS_FOR_A_PERSON = (Stage.REVIEW, Stage.ATTENTION)


class OrchestrationClient:
    """A `client.protocol.OrderClient`.

    Args:
        policy: travels with the orders placed here.
        link: makes the address of a workflow's page from a namespace and a workflow id.
        records: what the orders service has on record.
        steps: where the steps of the orders placed here are tried first.
    """

    def __init__(
        self,
        client: Client,
        policy: Policy,
        link: Callable[[str, str], str],
        records: OrderRecords,
        steps: Steps = Steps.IN_PLACE,
    ) -> None:
        self._client = client
        self._starting = Starting(client, policy, steps)
        self._link = link
        self._records = records
        self._lookup = Lookup(client, records)

    async def place(self, order: Order) -> None:
        """Start the order's saga. If the same order was placed before, start it only if its run ended before the order.

        Raises DifferentContent, NotNow.
        """
        record = None
        with suppress(SettingsError):  # the saga finds it
            record = await self._records.find(order.order_id)
        if record is not None:
            record.check_same(order, Style.ORCHESTRATION)
        elif await self._starting.start(order):
            return
        known = await self._lookup.find(order.order_id)
        if known.workflow is not None:
            await self._check_same(order)
        if known.standing.can_start_again:
            await self._starting.start_again(order.order_id, known.record, order)

    async def get(self, order_id: str) -> PlacedOrder:
        """The order's state; no worker is needed. Raises NoSuchOrder, SettingsError."""
        known, pending = await self._lookup.ask(order_id)
        return replace(self._placed(known.standing.state), pending=pending)

    async def history(self, order_id: str) -> OrderHistory:
        """By the latest run; empty if the order is on record only. Raises RPCError."""
        run = await self._lookup.described(order_id)
        return await history(self._client, run, self._lookup.handle(order_id)) if run else OrderHistory()

    async def attention(self, after: timedelta) -> list[AttentionEntry]:
        """What of all orders needs a person, including each step that has been retried for longer than `after`."""
        return await OrchestratedAttention(self._client, self._link, after, self._lookup).entries()

    async def outcome(self, order_id: str) -> PlacedOrder:
        """Wait until the order has ended or needs a person."""
        handle = self._lookup.handle(order_id)
        ended = asyncio.ensure_future(_ended(handle))
        try:
            while not (await asyncio.wait([ended], timeout=_POLL_SECONDS))[0]:
                described = await self._lookup.described(order_id)
                if described is None:
                    continue
                stage = described.typed_search_attributes.get(ORDER_STAGE)
                if stage in _WAITS_FOR_A_PERSON or await failing_task(self._client, described):
                    break
        finally:
            ended.cancel()
            await asyncio.wait([ended])
        return await self.get(order_id)

    async def recent(self, status: OrderStatus | None, limit: int) -> list[PlacedOrder]:
        """The newest orders first. Raises SettingsError."""
        found = await self._lookup.recent(status, limit)
        return [replace(self._placed(known.standing.state), placed_at=known.placed_at) for known in found]

    async def cancel(self, order_id: str, reason: str, actor: str = "") -> None:
        """Raises NoSuchOrder, NotNow, TooLong."""
        check_length(reason, actor)
        request = CancelRequest(reason=reason, actor=actor)
        known = await self._lookup.find(order_id)
        if known.standing.can_start_again:
            await _answered(self._starting.start_again(order_id, known.record, cancelled_by=request))
        elif known.standing.state.stage is Stage.ENDED:
            raise _has_ended(known)
        else:
            await self._update(known, lambda saga: saga.execute_update(OrderSaga.cancel, request))

    async def review(self, order_id: str, review: Review) -> None:
        """Raises NoSuchOrder, NotNow, TooLong."""
        check_length(review.note, review.actor)
        known = await self._lookup.find(order_id)
        await self._update(known, lambda saga: saga.execute_update(OrderSaga.review, review))

    async def resolve(self, order_id: str, resolution: Resolution) -> None:
        """Raises NoSuchOrder, NotNow, TooLong."""
        check_length(resolution.note, resolution.step, resolution.actor)
        known = await self._lookup.find(order_id)
        if not known.standing.can_start_again:
            await self._update(known, lambda saga: saga.execute_update(OrderSaga.resolve, resolution))
        elif resolution.decision is ResolveBy.RETRY:
            await self._starting.start_again(order_id, known.record)
        else:
            [problem] = known.standing.state.problems
            raise NotNow(
                f"order {order_id}: {problem}; decide retry first: a new run does or undoes what is missing; "
                "settle by hand what it cannot do"
            )

    def _placed(self, state: OrderState) -> PlacedOrder:
        its_id = workflow_id(state.order_id)
        return PlacedOrder(state, workflow_id=its_id, link=self._link(self._client.namespace, its_id))

    async def _check_same(self, order: Order) -> None:
        """Raises DifferentContent unless the order's workflow was started with this content."""
        content = order.digest()
        first = await self._lookup.handle(order.order_id).describe()
        if await first.memo_value("content", default=content) != content:
            place, _ = await self._starting.first(order.order_id)
            raise different_content(order.order_id, place.order.content() if place else None, order.content())

    async def _update(self, known: Known, update: Callable[[Handle], Awaitable[None]]) -> None:
        order_id = known.standing.state.order_id
        if known.workflow is None or known.workflow.run is not Run.RUNNING:
            raise _has_ended(known)
        try:
            await _answered(update(self._lookup.handle(order_id)))
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == BEING_CANCELLED:
                return  # the cancellation was requested before
            raise NotNow(f"order {order_id}: {getattr(error.cause, 'message', error.cause)}") from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotNow(f"order {order_id} has just ended") from None
            raise


def _has_ended(known: Known) -> NotNow:
    state = known.standing.state
    if state.problems:
        return NotNow(f"order {state.order_id}: {state.problems[0]}")
    return NotNow(f"order {state.order_id} has ended already: {state.status}")


async def _answered(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await call
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise NotNow(
            f"no worker answered within {_ANSWER_SECONDS} s; is worker.py running? Look at the order, then ask again"
        ) from None


async def _ended(handle: Handle) -> None:
    with suppress(WorkflowFailureError):  # cancelled, or terminated by force: `get` says which
        try:
            await handle.result()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise  # else the server does not know it, and `get` says what its record does
