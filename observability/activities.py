"""Adds the order, step and attempt to every log line of Temporal's activities."""

from structlog.contextvars import bound_contextvars
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from workflows.contracts import WORKFLOW, order_id_of


class LoggedActivities(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Logged(next)


class _Logged(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        info = activity.info()
        about: dict[str, object] = {"step": info.activity_type, "attempt": info.attempt}
        if info.workflow_type == WORKFLOW and info.workflow_id:
            about["order"] = order_id_of(info.workflow_id)
        with bound_contextvars(**about):
            return await super().execute_activity(input)
