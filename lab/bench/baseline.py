"""The baseline of `make bench`: a workflow of four empty activities.

They are asynchronous, and take and give nothing. Each goes through its task queue, as a service's must that is deployed
alone; `eager` spares them that way, which is possible only where workflow and activities share a worker.
"""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE = "bare"

_ACTIVITIES = 4


@activity.defn(name="bare.nothing")
async def nothing() -> None:
    pass


@workflow.defn
class BaselineWorkflow:
    @workflow.run
    async def run(self) -> None:
        for _ in range(_ACTIVITIES):
            await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))


def worker(client: Client, max_concurrent_activities: int, *, eager: bool) -> Worker:
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[BaselineWorkflow, LocalBaselineWorkflow],
        activities=[nothing],
        max_concurrent_activities=max_concurrent_activities,
        disable_eager_activity_execution=not eager,
    )


@workflow.defn
class LocalBaselineWorkflow:
    """The same four activities as local activities."""

    @workflow.run
    async def run(self) -> None:
        for _ in range(_ACTIVITIES):
            await workflow.execute_local_activity(nothing, start_to_close_timeout=timedelta(seconds=10))
