"""Turns a service's refusal into Temporal's non-retryable failure, for all activities."""

import logging

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from kernel.errors import Outage, Refusal

_log = logging.getLogger(__name__)


class RefusalInterceptor(Interceptor):
    """A refusal is a business answer: it is not retried and raises no alarm. Every other error is retried."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Answers(next)


class _Answers(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        try:
            return await super().execute_activity(input)
        except Refusal as refusal:
            raise ApplicationError(
                str(refusal),
                type=refusal.name,
                non_retryable=True,
                category=ApplicationErrorCategory.BENIGN,
            ) from None
        except Outage as outage:
            info = activity.info()
            _log.warning("%s of %s, attempt %d: %s", info.activity_type, info.workflow_id, info.attempt, outage)
            raise ApplicationError(
                str(outage), type=type(outage).__name__, category=ApplicationErrorCategory.BENIGN
            ) from None
