"""The schedules on the Temporal server: a worker creates them according to the settings, and operators manage them."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecution,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.operations import Examine, Examined
from kernel.environment import one_line
from settings import Settings
from workflows.examinations import TASK_QUEUE, Audit, Reconciliation

_log = logging.getLogger(__name__)

_SHORTEST_CATCH_UP = timedelta(seconds=10)  # Temporal's minimum
_POLL_SECONDS = 0.1

_NAMES = ("reconciliation", "audit")


class NotScheduled(Exception):
    """There is no such schedule on the server; the message says what to do."""


@dataclass(frozen=True)
class Scheduled:
    """A schedule, and its last run.

    Attributes:
        failed: why the last run ended without a report; empty if it has one.
        last: the last run's report; None if there is none yet.
    """

    name: str
    every: timedelta
    is_paused: bool
    note: str
    next_at: datetime | None
    last_at: datetime | None
    failed: str
    last: Examined | None


async def ensure_schedules(client: Client, settings: Settings) -> None:
    """Create or update them. A paused one stays paused. An error of the server is logged, and blocks nothing."""
    every = settings.schedules
    reconciliation, audit = (
        ScheduleActionStartWorkflow(
            Reconciliation.run, Examine(), id="operations-reconciliation", task_queue=TASK_QUEUE
        ),
        ScheduleActionStartWorkflow(Audit.run, Examine(), id="operations-audit", task_queue=TASK_QUEUE),
    )
    for name, action, seconds in zip(
        _NAMES, (reconciliation, audit), (every.reconciliation_every, every.audit_every), strict=True
    ):
        try:
            await _ensure(_handle(client, name), client, _planned(action, timedelta(seconds=seconds)))
        except RPCError as error:
            _log.error("the schedule %s cannot be made: %s", name, one_line(error)[:200])


def _planned(action: ScheduleActionStartWorkflow, every: timedelta) -> Schedule | None:
    """Runs that were missed while the server was down are made up for once; a run that would overlap is skipped."""
    if not every:
        return None
    return Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=max(every, _SHORTEST_CATCH_UP)),
    )


async def _ensure(handle: ScheduleHandle, client: Client, wanted: Schedule | None) -> None:
    if wanted is None:
        try:
            await handle.delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return

    def as_planned(given: ScheduleUpdateInput) -> ScheduleUpdate:
        wanted.state = given.description.schedule.state
        return ScheduleUpdate(wanted)

    try:
        await client.create_schedule(handle.id, wanted)
    except ScheduleAlreadyRunningError:
        await handle.update(as_planned)


class Schedules:
    """The schedules, for operators. Every method that takes a name raises NotScheduled."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def all(self) -> list[Scheduled]:
        found = []
        for name in _NAMES:
            try:
                found.append(await self._scheduled(name, await self._described(name)))
            except NotScheduled:
                continue
        return found

    async def run(self, name: str) -> Examined:
        """Run it now, or wait for the run under way; returns its report. Raises WorkflowFailureError."""
        before = (await self._described(name)).info
        if not before.running_actions:
            await _handle(self._client, name).trigger()
        while True:
            info = (await self._described(name)).info
            actions = [*info.running_actions] or [one.action for one in info.recent_actions[-1:]]
            if info.num_actions > before.num_actions or before.running_actions:
                return await self._run(actions[-1]).result()
            await asyncio.sleep(_POLL_SECONDS)

    async def pause(self, name: str, note: str) -> None:
        await self._described(name)
        await _handle(self._client, name).pause(note=note or "paused by an operator")

    async def resume(self, name: str, note: str) -> None:
        await self._described(name)
        await _handle(self._client, name).unpause(note=note or "resumed by an operator")

    async def _described(self, name: str) -> ScheduleDescription:
        try:
            return await _handle(self._client, name).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise NotScheduled(
                f"{name} is not scheduled; run a worker with the role operations, and SCHEDULES__{name.upper()}_EVERY "
                "above 0"
            ) from None

    async def _scheduled(self, name: str, described: ScheduleDescription) -> Scheduled:
        info, state = described.info, described.schedule.state
        last, failed = None, ""
        recent = info.recent_actions[-1] if info.recent_actions else None
        if recent:
            run = self._run(recent.action)
            status = (await run.describe()).status
            if status is WorkflowExecutionStatus.COMPLETED:
                last = await run.result()
            elif status not in (WorkflowExecutionStatus.RUNNING, None):
                failed = status.name.lower().replace("_", " ")
        intervals = described.schedule.spec.intervals
        return Scheduled(
            name=name,
            every=intervals[0].every if intervals else timedelta(),
            is_paused=state.paused,
            note=state.note or "",
            next_at=info.next_action_times[0] if info.next_action_times else None,
            last_at=recent.started_at if recent else None,
            failed=failed,
            last=last,
        )

    def _run(self, action: ScheduleActionExecution) -> WorkflowHandle[Any, Examined]:
        assert isinstance(action, ScheduleActionExecutionStartWorkflow)
        return self._client.get_workflow_handle(
            action.workflow_id, run_id=action.first_execution_run_id, result_type=Examined
        )


def _handle(client: Client, name: str) -> ScheduleHandle:
    return client.get_schedule_handle(f"order-saga-{name}")
