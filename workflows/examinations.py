"""The audit and the reconciliation as workflows; the result is a report. No order waits for them."""

from datetime import timedelta
from typing import TypedDict

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.operations import Examine, Examined, Operations

TASK_QUEUE = "operations"

_HEARTBEAT = timedelta(seconds=60)


class _Options(TypedDict):
    schedule_to_close_timeout: timedelta
    start_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


_PATIENT = _Options(
    schedule_to_close_timeout=timedelta(hours=2),
    start_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=_HEARTBEAT,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
)


@workflow.defn(name="Audit")
class Audit:
    @workflow.run
    async def run(self, asked: Examine) -> Examined:
        return await _published(await workflow.execute_activity_method(Operations.audit, asked, **_PATIENT))


@workflow.defn(name="Reconciliation")
class Reconciliation:
    @workflow.run
    async def run(self, asked: Examine) -> Examined:
        return await _published(await workflow.execute_activity_method(Operations.reconcile, asked, **_PATIENT))


async def _published(examined: Examined) -> Examined:
    if examined.findings:
        await workflow.execute_activity_method(Operations.publish, examined, **_PATIENT)
    return examined
