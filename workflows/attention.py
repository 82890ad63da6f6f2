"""The orchestrated orders that need a person, from the server's index and descriptions and the sagas' state."""

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
from kernel.errors import SettingsError
from services.orders.contracts import OrderStatus
from workflows.contracts import workflow_id
from workflows.handles import handle_of
from workflows.lookup import Known, Lookup
from workflows.order_saga import OrderSaga
from workflows.pending import no_worker_since, pending_steps
from workflows.standing import Run
from workflows.visibility import OF_ORDERS, ORDER_STAGE, ORDER_STATUS, of_index

MOST = 500  # of each kind; if there are more, an entry reports it
_AT_ONCE = 20
_QUERY_TIMEOUT = timedelta(seconds=3)

# A query by which the Temporal UI finds the same orders.
WAITING = (
    f'{OF_ORDERS} AND ExecutionStatus = "Running" AND '
    f'({ORDER_STAGE.name} IN ("{Stage.REVIEW}", "{Stage.ATTENTION}") OR '
    f'{ORDER_STATUS.name} = "{OrderStatus.NEEDS_ATTENTION}")'
)


def long_running(before: datetime) -> str:
    """The query for orders that are still running: a step takes milliseconds, so old ones wait or are being retried."""
    return f'{OF_ORDERS} AND ExecutionStatus = "Running" AND StartTime < "{before.isoformat()}"'


class OrchestratedAttention:
    """Finds the entries at one moment; make a new one for each time.

    Args:
        link: makes the address of a workflow's page from a namespace and a workflow id.
        after: how long a step may be retried before it needs a person.
        lookup: finds the orders without a running workflow.
    """

    def __init__(self, client: Client, link: Callable[[str, str], str], after: timedelta, lookup: Lookup) -> None:
        self._client = client
        self._link = link
        self._after = after
        self._lookup = lookup
        self._now = datetime.now(UTC)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._workers_answer = True

    async def entries(self) -> list[AttentionEntry]:
        """Raises RPCError."""
        waiting, running = await asyncio.gather(
            self._listed(WAITING), self._listed(long_running(self._now - self._after))
        )
        open_ones = {one.id: one for one in (*waiting, *running)}
        found = await asyncio.gather(*map(self._of_open, open_ones.values()))
        entries = [entry for entries in found for entry in entries] + await self._of_stranded()
        if MOST in (len(waiting), len(running)):
            why = f"there are more than {MOST} orders of a kind; only the first {MOST} were read"
            entries.append(unseen("orders in Temporal", why, "starter.py list --status in-progress"))
        return entries

    async def _listed(self, query: str) -> list[WorkflowExecution]:
        return [one async for one in self._client.list_workflows(query, limit=MOST)]

    async def _of_open(self, execution: WorkflowExecution) -> list[AttentionEntry]:
        async with self._places:
            handle = handle_of(self._client, execution.id)
            try:
                described = await handle.describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return []  # it has ended, and the server has deleted it
                raise
            if described.status is not WorkflowExecutionStatus.RUNNING:
                return []
            state = of_index(described).state
            if state.stage in (Stage.REVIEW, Stage.ATTENTION) or state.status is OrderStatus.NEEDS_ATTENTION:
                state = await self._own_state(execution.id) or state
            link = self._link(self._client.namespace, execution.id)
            placed = PlacedOrder(state, link=link, pending=pending_steps(described))
            found = entries_of(placed, self._after, self._now)
            return found or self._unexplained(placed) + self._not_taken_up(described, placed)

    async def _own_state(self, workflow_id: str) -> OrderState | None:
        """The saga's own state; None if no worker answers. After that, no further saga is queried."""
        if not self._workers_answer:
            return None
        try:
            handle = handle_of(self._client, workflow_id)
            return await handle.query(OrderSaga.state, rpc_timeout=_QUERY_TIMEOUT)
        except (RPCError, WorkflowQueryFailedError):
            self._workers_answer = False
            return None

    def _unexplained(self, placed: PlacedOrder) -> list[AttentionEntry]:
        """The entry if the index shows that the order needs a person, but no worker can give the reason."""
        state = placed.state
        if state.status is not OrderStatus.NEEDS_ATTENTION:
            return []
        why = f"{state.reason or 'unknown reason'}: no worker with role saga answers, so what is stuck is unknown"
        return [undo_failed(state.order_id, placed.style, "", why, None, placed.link)]

    def _not_taken_up(self, described: WorkflowExecutionDescription, placed: PlacedOrder) -> list[AttentionEntry]:
        since, task = no_worker_since(described), described.raw_description.pending_workflow_task
        if since is None or self._now - since < self._after:
            return []
        why, then = "no worker with role saga has picked it up", "it continues once one does"
        if task.attempt > 1:
            why = f"its workflow task has failed {task.attempt - 1} times: a bug, or another version of the workflow"
            then = "it is retried, and continues once the code is fixed"
        order_id = placed.state.order_id
        command = f"starter.py status {order_id}"
        return [stalled(order_id, placed.style, why, since, then, command, placed.link)]

    async def _of_stranded(self) -> list[AttentionEntry]:
        try:
            return [self._stranded(known) for known in await self._lookup.stranded(MOST)]
        except SettingsError as error:
            return [unseen("orders on record", str(error), "starter.py list --status needs-attention")]

    def _stranded(self, known: Known) -> AttentionEntry:
        state, run = known.standing.state, known.run
        order_id = state.order_id
        is_forced = known.workflow is not None and known.workflow.run is Run.FORCED
        return AttentionEntry(
            kind=AttentionKind.ENDED_BY_FORCE if is_forced else AttentionKind.OUT_OF_STEP,
            subject=order_id,
            order_id=order_id,
            style=Style.ORCHESTRATION,
            why="; ".join(state.problems),
            since=(run.close_time if run else None) or known.placed_at,
            then="nothing: the order stays as it is",
            command=f"starter.py resolve {order_id} retry" if known.standing.can_start_again else "starter.py audit",
            link=self._link(self._client.namespace, workflow_id(order_id)) if run else "",
        )
