"""Finds a workflow whose task fails repeatedly: because of a bug, or of a reply that this version cannot read.

It is stuck until a release that can continue it is deployed. Its search attributes do not show that.
"""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionDescription

from workflows.pending import in_words

_AGAIN_AND_AGAIN = 2
_AFTER_A_TIMEOUT = 10  # of the attempts after a worker that died, the history records none: they may have timed out too
_LONGEST = 300
_PAGE = 20
_FAILED, _TIMED_OUT = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT


async def failing_task(client: Client, described: WorkflowExecutionDescription) -> str:
    """Why the workflow is stuck, in one line; empty if its tasks do not fail. Raises RPCError."""
    task = described.raw_description.pending_workflow_task  # an empty one if there is none
    if task.attempt <= _AGAIN_AND_AGAIN:
        return ""
    execution = WorkflowExecution(workflow_id=described.id, run_id=described.run_id)
    page = await client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace, execution=execution, maximum_page_size=_PAGE
        )
    )
    last = next((one for one in page.history.events if one.event_type in (_FAILED, _TIMED_OUT)), None)
    times = task.attempt - 1
    if last and last.event_type == _TIMED_OUT and times < _AFTER_A_TIMEOUT:
        return ""
    why = "see its history"
    if last and last.event_type == _FAILED:
        why = in_words(last.workflow_task_failed_event_attributes.failure)[:_LONGEST]
    return f"its workflow task has failed {times} times, and is retried until the code is fixed: {why}"
