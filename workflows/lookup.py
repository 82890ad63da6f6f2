"""Looks orders up, on the Temporal server and on record; `workflows/standing.py` says what the two mean together."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from client.contracts import OrderState
from client.errors import NoSuchOrder
from client.records import OrderOnRecord, OrderRecords
from kernel.contracts import Style
from kernel.errors import SettingsError
from services.orders.contracts import OrderStatus
from workflows.contracts import WORKFLOW, order_id_of, workflow_id
from workflows.order_saga import OrderSaga
from workflows.standing import OfWorkflow, Run, Standing, by_workflow_alone, standing
from workflows.visibility import ENDED_BY_FORCE, ORDER_STATUS, of_index

Handle = WorkflowHandle[OrderSaga, OrderState]

_QUERY_TIMEOUT = timedelta(seconds=3)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Known:
    """What the workflow and the record say of one order, and together."""

    workflow: OfWorkflow | None
    record: OrderOnRecord | None
    standing: Standing


class Lookup:
    def __init__(self, client: Client, records: OrderRecords) -> None:
        self._client = client
        self._records = records

    def handle(self, order_id: str) -> Handle:
        return self._client.get_workflow_handle_for(OrderSaga.run, workflow_id(order_id))

    async def find(self, order_id: str, *, ask_it: bool = False) -> Known:
        """Its workflow first, then its record. Raises NoSuchOrder; SettingsError if only the record could say."""
        workflow = await self._of_workflow(order_id, ask_it=ask_it)
        try:
            record = await self._records.find(order_id)
        except SettingsError:
            if workflow is None:
                raise
            return Known(workflow, None, by_workflow_alone(workflow))
        joined = standing(workflow, record)
        if joined is None:
            raise NoSuchOrder(f"there is no order {order_id}; 'starter.py list' shows those that are")
        return Known(workflow, record, joined)

    async def _of_workflow(self, order_id: str, *, ask_it: bool) -> OfWorkflow | None:
        """With `ask_it` its own word, as far as there is a worker to give it and nothing was ended by force."""
        described, handle = await self.described(order_id), self.handle(order_id)
        if described is None:
            return None
        by_index = of_index(described)
        if ask_it and described.status is WorkflowExecutionStatus.COMPLETED:
            return replace(by_index, state=await handle.result())
        if ask_it and described.status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CANCELED):
            with suppress(RPCError, WorkflowQueryFailedError):
                return replace(by_index, state=await handle.query(OrderSaga.state, rpc_timeout=_QUERY_TIMEOUT))
        return by_index

    async def described(self, order_id: str) -> WorkflowExecution | None:
        """Its latest run; None if the server does not know the order."""
        try:
            return await self.handle(order_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def recent(self, status: OrderStatus | None, limit: int) -> list[tuple[OrderState, datetime | None]]:
        """The newest orders first, by the server's index and the records together, each with when it was placed.

        Raises SettingsError.
        """
        query = f'WorkflowType = "{WORKFLOW}"' + (f" AND ({_indexed_as(status)})" if status else "")
        latest: dict[str, WorkflowExecution] = {}
        async for execution in self._client.list_workflows(query, limit=limit):
            known = latest.setdefault(order_id_of(execution.id), execution)
            if execution.start_time > known.start_time:
                latest[order_id_of(execution.id)] = execution
        records = {one.order_id: one for one in await self._records.newest(Style.ORCHESTRATION, status, limit)}
        if status is OrderStatus.NEEDS_ATTENTION:
            records |= {one.order_id: one for one in await self._without_a_run()}
        by_index = {order_id: of_index(execution) for order_id, execution in latest.items()}
        # The index is late, and has the runs that an order was started again after.
        doubtful = [one for one in {*records, *latest} if one not in latest or by_index[one].run is Run.FORCED]
        latest |= {one: found for one in doubtful if (found := await self.described(one))}
        records |= await self._records.of(latest.keys() - records.keys())
        orders: list[tuple[OrderState, datetime | None]] = []
        for order_id in {*records, *latest}:
            run, record = latest.get(order_id), records.get(order_id)
            joined = standing(of_index(run) if run else None, record)
            if joined and status in (None, joined.state.status):
                placed_at = record.placed_at if record else run.start_time if run else None
                orders.append((joined.state, placed_at))
        return sorted(orders, key=lambda order: order[1] or _LONG_AGO, reverse=True)[:limit]

    async def _without_a_run(self) -> list[OrderOnRecord]:
        """The orders on record that have not ended, or need an operator, and that no workflow moves."""
        unsettled = await self._records.unsettled(Style.ORCHESTRATION)
        if not unsettled:
            return []
        query = f'WorkflowType = "{WORKFLOW}" AND ExecutionStatus = "Running"'
        running = {order_id_of(execution.id) async for execution in self._client.list_workflows(query)}
        return [record for record in unsettled if record.order_id not in running]


def _indexed_as(status: OrderStatus) -> str:
    """A search that finds at least the orders of this status, in the terms of the server's index."""
    indexed = f'{ORDER_STATUS.name} = "{status}"'
    return f"{indexed} OR {ENDED_BY_FORCE}" if status is OrderStatus.NEEDS_ATTENTION else indexed
