"""What an order went through, by the history of its workflow."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.converter import DataConverter

from client.contracts import FailedAttempts, OrderHistory, Resolution, Resolved
from kernel.service import Kind
from services import SERVICES
from workflows.handles import Handle
from workflows.pending import in_words, pending_steps

_STEPS = {f"{one.name}.{o.verb}" for one in SERVICES for o in one.operations if o.kind is Kind.STEP}
_LOCAL_ACTIVITY = "core_local_activity"  # the SDK's marker
_RESOLVE = "resolve"  # the update of workflows/order_saga.py, as recorded histories name it


@dataclass
class _Execution:
    """An activity; `failed` counts attempts that were made elsewhere before: as a local activity."""

    step: str
    since: datetime
    failed: int = 0
    attempt: int = 0
    started: datetime | None = None
    error: str = ""


class _Reader:
    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter
        self._executions: dict[int, _Execution] = {}
        self._in_place: dict[str, _Execution] = {}  # local activities that failed, by step
        self.failed: list[FailedAttempts] = []
        self.resolved: list[Resolved] = []

    async def read(self, event: HistoryEvent) -> None:
        at = _moment(event.event_time)
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                step = event.activity_task_scheduled_event_attributes.activity_type.name
                self._executions[event.event_id] = self._in_place.pop(step, _Execution(step, at))
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes
                execution = self._executions[started.scheduled_event_id]
                execution.attempt, execution.started = started.attempt, at
                if started.HasField("last_failure"):
                    execution.error = in_words(started.last_failure)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                self._ended(self._executions[event.activity_task_completed_event_attributes.scheduled_event_id])
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                self._gave_up(self._executions[failed.scheduled_event_id], failed.failure, at)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                timed_out = event.activity_task_timed_out_event_attributes
                self._gave_up(self._executions[timed_out.scheduled_event_id], timed_out.failure, at)
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                self._local(event.marker_recorded_event_attributes, at)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                update = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
                if update.name == _RESOLVE:
                    [given] = await self._converter.decode(update.args.payloads, [Resolution])
                    self.resolved.append(Resolved(resolution=given, at=at))

    def _ended(self, execution: _Execution) -> None:
        """It was done; or it was refused, which is an answer as well."""
        count = execution.failed + max(0, execution.attempt - 1)
        if count:
            self._add(execution, count, execution.error, execution.started, gave_up=False)

    def _gave_up(self, execution: _Execution, failure: Failure, at: datetime) -> None:
        if execution.step in _STEPS and failure.application_failure_info.non_retryable:
            self._ended(execution)
        else:
            error = execution.error if failure.HasField("timeout_failure_info") else ""
            count = max(1, execution.failed + execution.attempt)  # at a deadline, the attempts are not always recorded
            self._add(execution, count, error or in_words(failure), at, gave_up=True)

    def _local(self, marker: MarkerRecordedEventAttributes, at: datetime) -> None:
        if marker.marker_name != _LOCAL_ACTIVITY or not marker.HasField("failure"):
            return
        described = json.loads(marker.details["data"].payloads[0].data)
        step, scheduled = str(described["activity_type"]), described["original_schedule_time"]
        since = datetime.fromtimestamp(scheduled["seconds"], UTC) + timedelta(microseconds=scheduled["nanos"] // 1000)
        execution = _Execution(step, min(since, at), failed=1, error=in_words(marker.failure))
        if marker.failure.application_failure_info.non_retryable:
            if step not in _STEPS:
                self._add(execution, 1, execution.error, at, gave_up=True)
        else:
            self._in_place[step] = execution  # it is retried on the service's queue

    def _add(self, execution: _Execution, count: int, error: str, until: datetime | None, *, gave_up: bool) -> None:
        since = execution.since
        self.failed.append(
            FailedAttempts(step=execution.step, count=count, error=error, since=since, until=until, gave_up=gave_up)
        )


async def history(client: Client, run: WorkflowExecutionDescription, handle: Handle) -> OrderHistory:
    """The failed attempts of a run, those that are still retried included, and the operators' resolutions."""
    events = [event async for event in handle.fetch_history_events()]
    recorded = await recorded_history(events, client.data_converter)
    failing = [
        FailedAttempts(step=one.step, count=one.attempt - 1, error=one.error, since=one.since)
        for one in pending_steps(run)
        if one.attempt > 1
    ]
    failed = sorted([*recorded.failed, *failing], key=lambda one: one.since)
    return recorded.model_copy(update={"failed": tuple(failed)})


async def recorded_history(events: Iterable[HistoryEvent], converter: DataConverter) -> OrderHistory:
    """The failed attempts and resolutions in these events of a workflow."""
    reader = _Reader(converter)
    for event in events:
        await reader.read(event)
    return OrderHistory(failed=tuple(reader.failed), resolved=tuple(reader.resolved))


def _moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
