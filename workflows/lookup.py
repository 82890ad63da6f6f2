"""Looks orders up on the Temporal server and on record. `workflows/standing.py` derives the state from both."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from client.contracts import OrderState, PendingStep, Stage
from client.errors import NoSuchOrder
from client.order_id import check_order_id
from client.records import OrderOnRecord, OrderRecords
from kernel.contracts import Style
from kernel.errors import SettingsError
from services.orders.contracts import OrderStatus
from workflows.contracts import order_id_of, workflow_id
from workflows.failing_tasks import failing_task
from workflows.handles import Handle, handle_of
from workflows.newest import newest
from workflows.order_saga import OrderSaga
from workflows.pending import pending_steps
from workflows.standing import OfWorkflow, Run, Standing, by_workflow_alone, standing
from workflows.visibility import ENDED_BY_FORCE, OF_ORDERS, ORDER_STATUS, of_index

_AT_ONCE = 20
_QUERY_TIMEOUT = timedelta(seconds=3)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Known:
    """An order's workflow and record, and its state by both. `run` is the workflow's latest run, if it has one."""

    standing: Standing
    workflow: OfWorkflow | None
    record: OrderOnRecord | None
    run: WorkflowExecution | None

    @property
    def placed_at(self) -> datetime | None:
        if self.record:
            return self.record.placed_at
        return self.run.start_time if self.run else None


class Lookup:
    def __init__(self, client: Client, records: OrderRecords) -> None:
        self._client = client
        self._records = records
        self._places = asyncio.Semaphore(_AT_ONCE)

    def handle(self, order_id: str) -> Handle:
        return handle_of(self._client, workflow_id(check_order_id(order_id)))

    async def described(self, order_id: str) -> WorkflowExecutionDescription | None:
        """The latest run of the order's workflow; None if the server does not know the order."""
        try:
            return await self.handle(order_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def find(self, order_id: str) -> Known:
        """Look the order up in the server's index and on record.

        Raises:
            NoSuchOrder: neither has it.
            SettingsError: the index does not have it, and the record cannot be read.
        """
        run = await self.described(order_id)
        return await self._with_record(order_id, of_index(run) if run else None, run)

    async def ask(self, order_id: str) -> tuple[Known, tuple[PendingStep, ...]]:
        """As `find`, but by the saga's own state if a worker answers; with the steps that are being tried."""
        run = await self.described(order_id)
        workflow = await self._own_state(run) if run else None
        return await self._with_record(order_id, workflow, run), pending_steps(run) if run else ()

    async def recent(self, status: OrderStatus | None, limit: int) -> list[Known]:
        """The newest orders first. Raises SettingsError."""
        runs = await newest(self._client, OF_ORDERS + _indexed_as(status), limit)
        if status is OrderStatus.NEEDS_ATTENTION:  # also those whose workflow task fails, which the index does not show
            runs += await newest(self._client, OF_ORDERS + _indexed_as(OrderStatus.IN_PROGRESS), limit)
        found = {order_id_of(run.id): run for run in runs}
        records = await self._records.newest(Style.ORCHESTRATION, status, limit)
        recorded = {record.order_id for record in records}
        settled = {record.order_id for record in records if record.has_ended and not record.problem}
        if status is OrderStatus.NEEDS_ATTENTION:
            recorded |= set(await self._without_a_run())
        joined = await asyncio.gather(*map(self._unless_failing, await self._joined(found, recorded, settled)))
        fitting = [known for known in joined if status in (None, known.standing.state.status)]
        return sorted(fitting, key=lambda known: known.placed_at or _LONG_AGO, reverse=True)[:limit]

    async def _unless_failing(self, known: Known) -> Known:
        """Mark an order whose workflow task fails repeatedly, which the index does not show."""
        state, workflow = known.standing.state, known.workflow
        if workflow is None or workflow.run is not Run.RUNNING or state.status is not OrderStatus.IN_PROGRESS:
            return known
        run = await self._one_of_many(state.order_id)
        why = await failing_task(self._client, run) if run else ""
        return replace(known, standing=Standing(_failing(state, why))) if why else known

    async def stranded(self, limit: int) -> list[Known]:
        """The orders that need a person and have no running workflow. Raises SettingsError."""
        found = await self._listed(f" AND {ENDED_BY_FORCE}", limit)
        joined = await self._joined(found, await self._without_a_run())
        needing = [known for known in joined if known.standing.state.status is OrderStatus.NEEDS_ATTENTION]
        return [known for known in needing if known.workflow is None or known.workflow.run is not Run.RUNNING]

    async def _with_record(self, order_id: str, workflow: OfWorkflow | None, run: WorkflowExecution | None) -> Known:
        try:
            record = await self._records.find(order_id)
        except SettingsError:
            if workflow is None:
                raise
            return Known(by_workflow_alone(workflow), workflow, None, run)
        joined = standing(workflow, record)
        if joined is None:
            raise NoSuchOrder(f"there is no order {order_id}; 'starter.py list' shows those that are")
        return Known(joined, workflow, record, run)

    async def _own_state(self, run: WorkflowExecutionDescription) -> OfWorkflow:
        by_index, handle = of_index(run), handle_of(self._client, run.id)
        if why := await failing_task(self._client, run):
            return replace(by_index, state=_failing(by_index.state, why))
        if run.status is WorkflowExecutionStatus.COMPLETED:
            return replace(by_index, state=await handle.result())
        if run.status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CANCELED):
            with suppress(RPCError, WorkflowQueryFailedError):
                return replace(by_index, state=await handle.query(OrderSaga.state, rpc_timeout=_QUERY_TIMEOUT))
        return by_index

    async def _listed(self, more: str, limit: int | None = None) -> dict[str, WorkflowExecution]:
        """The latest run of each order that the query finds in the server's index."""
        latest: dict[str, WorkflowExecution] = {}
        async for run in self._client.list_workflows(OF_ORDERS + more, limit=limit):
            known = latest.setdefault(order_id_of(run.id), run)
            if run.start_time > known.start_time:
                latest[order_id_of(run.id)] = run
        return latest

    async def _without_a_run(self) -> list[str]:
        """The orders on record that are in progress or need an operator, and have no running workflow."""
        unsettled = await self._records.unsettled(Style.ORCHESTRATION)
        running = await self._listed(' AND ExecutionStatus = "Running"') if unsettled else {}
        return [record.order_id for record in unsettled if record.order_id not in running]

    async def _joined(
        self, listed: dict[str, WorkflowExecution], recorded: Collection[str], settled: Collection[str] = ()
    ) -> list[Known]:
        """Join runs and records. The index lags, and still has runs after which an order was started again: where that
        matters, the server is asked for the latest run. It does not matter for those that are settled by their record:
        most of them the server has deleted."""
        doubtful = {one for one in recorded if one not in listed and one not in settled}
        doubtful |= {one for one, run in listed.items() if of_index(run).run is Run.FORCED}
        described = dict(zip(doubtful, await asyncio.gather(*map(self._one_of_many, doubtful)), strict=True))
        latest = dict.fromkeys(settled) | listed | described
        records = await self._records.of(latest)
        found = []
        for order_id, run in latest.items():
            workflow, record = of_index(run) if run else None, records.get(order_id)
            if joined := standing(workflow, record):
                found.append(Known(joined, workflow, record, run))
        return found

    async def _one_of_many(self, order_id: str) -> WorkflowExecutionDescription | None:
        async with self._places:
            return await self.described(order_id)


def _failing(state: OrderState, why: str) -> OrderState:
    return state.model_copy(update={"status": OrderStatus.NEEDS_ATTENTION, "stage": Stage.ATTENTION, "reason": why})


def _indexed_as(status: OrderStatus | None) -> str:
    """A condition for the index that finds at least the orders with this status."""
    if status is None:
        return ""
    indexed = f'{ORDER_STATUS.name} = "{status}"'
    return f" AND ({indexed} OR {ENDED_BY_FORCE})" if status is OrderStatus.NEEDS_ATTENTION else f" AND {indexed}"
