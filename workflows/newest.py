"""The workflows that started last, from a server that lists closed ones by the time of their end.

The server's index lists open workflows by start, newest first, then closed ones by end, and not every store can sort in
another way. A workflow ends after it started, so closed ones are read until none that follows can have started later.
"""

from datetime import datetime

from temporalio.client import Client, WorkflowExecution

_LOOK_EVERY = 50


async def newest(client: Client, query: str, limit: int) -> list[WorkflowExecution]:
    """The workflows of the query that started last, newest first; of each, its latest run.

    Raises RPCError.
    """
    open_ones = [one async for one in client.list_workflows(f'{query} AND ExecutionStatus = "Running"', limit=limit)]
    latest = {one.id: one for one in open_ones}
    read = 0
    async for one in client.list_workflows(f'{query} AND ExecutionStatus != "Running"'):
        if read % _LOOK_EVERY == 0 and len(latest) >= limit:
            last = sorted(latest.values(), key=_began, reverse=True)[limit - 1]
            if (one.close_time or one.start_time) < last.start_time:
                break
        read += 1
        if one.id not in latest or _began(one) > _began(latest[one.id]):
            latest[one.id] = one
    return sorted(latest.values(), key=_began, reverse=True)[:limit]


def _began(execution: WorkflowExecution) -> datetime:
    return execution.start_time
