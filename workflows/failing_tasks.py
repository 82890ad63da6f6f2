"""Finds a workflow whose task fails repeatedly: because of a bug, or of a reply that this version cannot read.

It is stuck until a release that can continue it is deployed. Its search attributes do not show that.
"""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionDescription

from workflows.pending import in_words

_AGAIN_AND_AGAIN = 2
_LONGEST = 300
_PAGE = 20


def has_failing_task(described: WorkflowExecutionDescription) -> bool:
    raw = described.raw_description
    return raw.HasField("pending_workflow_task") and raw.pending_workflow_task.attempt > _AGAIN_AND_AGAIN


async def failing_task(client: Client, described: WorkflowExecutionDescription) -> str:
    """Why the workflow is stuck, in one line; empty if its tasks do not fail. Raises RPCError."""
    if not has_failing_task(described):
        return ""
    execution = WorkflowExecution(workflow_id=described.id, run_id=described.run_id)
    page = await client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace, execution=execution, maximum_page_size=_PAGE
        )
    )
    failed = (one for one in page.history.events if one.HasField("workflow_task_failed_event_attributes"))
    first = next(failed, None)
    why = in_words(first.workflow_task_failed_event_attributes.failure)[:_LONGEST] if first else "see its history"
    times = described.raw_description.pending_workflow_task.attempt - 1
    return f"its workflow task has failed {times} times, and is retried until the code is fixed: {why}"
