"""The steps of an order that are being tried, as the Temporal server describes them; no worker is needed."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription

from client.contracts import PendingStep


def pending_steps(described: WorkflowExecutionDescription) -> tuple[PendingStep, ...]:
    """The steps in the services' task queues. A local activity gets there once its only attempt has failed."""
    return tuple(map(_pending, described.raw_description.pending_activities))


def no_worker_since(described: WorkflowExecutionDescription) -> datetime | None:
    """Since when the workflow task waits for a worker; None if it does not."""
    raw = described.raw_description
    task = raw.pending_workflow_task
    if not raw.HasField("pending_workflow_task") or task.HasField("started_time"):
        return None
    return _moment(task.original_scheduled_time) or _moment(task.scheduled_time)


def in_words(failure: Failure) -> str:
    """Why an attempt failed, in one line."""
    if failure.HasField("timeout_failure_info"):
        return "it did not answer in time"
    return " ".join(failure.message.split())


def _pending(activity: PendingActivityInfo) -> PendingStep:
    step, deadline = activity.activity_type.name, _moment(activity.expiration_time)
    # On a retry, `scheduled_time` is that of this attempt. The first attempt's time follows from the deadline.
    since = _moment(activity.scheduled_time) or datetime.now(UTC)
    if deadline and activity.activity_options.HasField("schedule_to_close_timeout"):
        since = deadline - activity.activity_options.schedule_to_close_timeout.ToTimedelta()
    error = in_words(activity.last_failure) if activity.HasField("last_failure") else ""
    is_started = activity.state != PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    if not error and not is_started:
        error = f"no worker with role {step.partition('.')[0]} has picked it up"
    return PendingStep(
        step=step,
        attempt=activity.attempt,
        error=error,
        since=since,
        next_attempt=None if is_started else _moment(activity.next_attempt_schedule_time),
        deadline=deadline,
    )


def _moment(stamp: Timestamp) -> datetime | None:
    return stamp.ToDatetime(UTC) if stamp.seconds else None
