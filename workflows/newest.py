"""The workflows that began last, from a server that lists them by when they ended.

The server's index gives open ones first, newest first, and then closed ones by their end; not every store can sort
otherwise. A workflow ends after it began, so the closed ones are read until none that follows can have begun later.
"""

from datetime import datetime

from temporalio.client import Client, WorkflowExecution


async def newest(client: Client, query: str, limit: int) -> list[WorkflowExecution]:
    """Those that began last among the ones that the query finds, newest first. Raises RPCError."""
    found = [one async for one in client.list_workflows(f'{query} AND ExecutionStatus = "Running"', limit=limit)]
    async for one in client.list_workflows(f'{query} AND ExecutionStatus != "Running"'):
        if len(found) >= limit and (one.close_time or one.start_time) < found[limit - 1].start_time:
            break
        found.append(one)
        found = sorted(found, key=_began, reverse=True)[:limit]
    return found


def _began(execution: WorkflowExecution) -> datetime:
    return execution.start_time
