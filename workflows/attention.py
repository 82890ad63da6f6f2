"""Which orchestrated orders need a person: by the server's index and descriptions, and the sagas' own state."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from client.attention import AttentionEntry, AttentionKind, entries_of, stalled, undo_failed, unseen
from client.contracts import OrderState, PlacedOrder, Stage
from kernel.contracts import Style
from services.orders.contracts import OrderStatus
from workflows.contracts import WORKFLOW, order_id_of
from workflows.order_saga import OrderSaga
from workflows.pending import no_worker_since, pending_steps
from workflows.visibility import ORDER_STAGE, ORDER_STATUS, indexed_state

MOST = 500  # of each kind; that there are more is an entry
_AT_ONCE = 20
_QUERY_TIMEOUT = timedelta(seconds=3)

# The queries by which the Temporal UI finds the same orders.
OF_ORDERS = f'WorkflowType = "{WORKFLOW}"'
WAITING = (
    f'{OF_ORDERS} AND ExecutionStatus = "Running" AND '
    f'({ORDER_STAGE.name} IN ("{Stage.REVIEW}", "{Stage.ATTENTION}") OR '
    f'{ORDER_STATUS.name} = "{OrderStatus.NEEDS_ATTENTION}")'
)
ENDED_BY_FORCE = (
    f'{OF_ORDERS} AND ExecutionStatus IN ("Terminated", "TimedOut", "Failed") AND {ORDER_STAGE.name} != "{Stage.ENDED}"'
)


def long_running(before: datetime) -> str:
    """Those that began before then: a step takes milliseconds, so something of them waits or is retried."""
    return f'{OF_ORDERS} AND ExecutionStatus = "Running" AND StartTime < "{before.isoformat()}"'


class OrchestratedAttention:
    """Asks the server once.

    Args:
        link: of a namespace and a workflow's id, to the workflow's page.
        after: how long a step may be tried before it needs a person.
    """

    def __init__(self, client: Client, link: Callable[[str, str], str], after: timedelta) -> None:
        self._client = client
        self._link = link
        self._after = after
        self._now = datetime.now(UTC)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._workers_answer = True

    async def entries(self) -> list[AttentionEntry]:
        """Raises RPCError."""
        waiting, running, ended = await asyncio.gather(
            self._listed(WAITING), self._listed(long_running(self._now - self._after)), self._listed(ENDED_BY_FORCE)
        )
        open_ones = {one.id: one for one in (*waiting, *running)}
        found = await asyncio.gather(*map(self._of_open, open_ones.values()))
        entries = [entry for entries in found for entry in entries] + [self._of_ended(one) for one in ended]
        if MOST in (len(waiting), len(running), len(ended)):
            why = f"there are more than {MOST} orders of a kind, and only so many were looked at"
            entries.append(unseen("orders in Temporal", why, "starter.py list --status in-progress"))
        return entries

    async def _listed(self, query: str) -> list[WorkflowExecution]:
        return [one async for one in self._client.list_workflows(query, limit=MOST)]

    async def _of_open(self, execution: WorkflowExecution) -> list[AttentionEntry]:
        async with self._places:
            handle = self._client.get_workflow_handle_for(OrderSaga.run, execution.id)
            try:
                described = await handle.describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return []  # it has ended, and is forgotten
                raise
            if described.status is not WorkflowExecutionStatus.RUNNING:
                return []
            state = indexed_state(described)
            if state.stage in (Stage.REVIEW, Stage.ATTENTION) or state.status is OrderStatus.NEEDS_ATTENTION:
                state = await self._own_state(execution.id) or state
            link = self._link(self._client.namespace, execution.id)
            placed = PlacedOrder(state, link=link, pending=pending_steps(described))
            found = entries_of(placed, self._after, self._now)
            return found or self._unexplained(placed) + self._not_taken_up(described, placed)

    async def _own_state(self, workflow_id: str) -> OrderState | None:
        """None when no worker answers; then no other order's saga is asked."""
        if not self._workers_answer:
            return None
        try:
            handle = self._client.get_workflow_handle_for(OrderSaga.run, workflow_id)
            return await handle.query(OrderSaga.state, rpc_timeout=_QUERY_TIMEOUT)
        except (RPCError, WorkflowQueryFailedError):
            self._workers_answer = False
            return None

    def _unexplained(self, placed: PlacedOrder) -> list[AttentionEntry]:
        """The index says that it needs a person; why, only a worker knows."""
        state = placed.state
        if state.status is not OrderStatus.NEEDS_ATTENTION:
            return []
        why = f"{state.reason or 'something'}: no worker of role saga answers, so what is stuck cannot be seen"
        return [undo_failed(state.order_id, placed.style, "", why, None, placed.link)]

    def _not_taken_up(self, described: WorkflowExecutionDescription, placed: PlacedOrder) -> list[AttentionEntry]:
        since, task = no_worker_since(described), described.raw_description.pending_workflow_task
        if since is None or self._now - since < self._after:
            return []
        why, then = "no worker of role saga takes it up", "it goes on once one does"
        if task.attempt > 1:
            why = f"its workflow task has failed {task.attempt - 1} times: a bug, or another version of the workflow"
            then = "it is tried again, and goes on once the code is mended"
        order_id = placed.state.order_id
        command = f"starter.py status {order_id}"
        return [stalled(order_id, placed.style, why, since, then, command, placed.link)]

    def _of_ended(self, execution: WorkflowExecution) -> AttentionEntry:
        order_id = order_id_of(execution.id)
        return AttentionEntry(
            kind=AttentionKind.ENDED_BY_FORCE,
            subject=order_id,
            order_id=order_id,
            style=Style.ORCHESTRATION,
            why=indexed_state(execution).reason,
            since=execution.close_time,
            then="nothing: what it has done stays as it is",
            command=f"starter.py resolve {order_id} retry",
            link=self._link(self._client.namespace, execution.id),
        )
