"""The execution of a service's activity, in the terms of a saga: a reply, a refusal, or an unknown outcome."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypedDict, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.workflow import ActivityCancellationType, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from activities import activity_name
    from kernel.contracts import Command, Contract, Policy

A = TypeVar("A")
C = TypeVar("C", bound=Command)
R = TypeVar("R", bound=Contract)

_ONCE = RetryPolicy(maximum_attempts=1)
_OF_STEPS = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
_OF_UNDOS = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(minutes=1))


class ActivityFailed(Exception):
    """An activity that ended without a reply; `refusal` names the service's no; without one nothing is known."""

    def __init__(self, activity: str, failure: FailureError) -> None:
        # A local activity's failure comes bare, another's inside an ActivityError.
        cause = failure.cause if isinstance(failure, ActivityError) else failure
        self.refusal: str | None = None
        if isinstance(cause, ApplicationError) and cause.non_retryable:
            self.refusal = cause.type
            super().__init__(f"{cause.type}: {cause.message}")
        else:
            last = (cause.cause if isinstance(cause, FailureError) else None) or cause
            said = last.message if isinstance(last, FailureError) else last
            super().__init__(f"Outage: no answer from {activity} in time ({said})")


class _Options(TypedDict):
    start_to_close_timeout: timedelta
    cancellation_type: ActivityCancellationType
    summary: str | None


class ActivityExecutions:
    """Those of one saga. With `local`, the activity is tried first inside the workflow task."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._running: dict[asyncio.Task[object], None] = {}  # a set, in order
        self.stopped = False

    async def within_step_deadline(self, activity: Callable[[A, C], R], command: C, *, local: bool) -> R:
        """Retried until the policy's `step_deadline`, or until they are stopped. Raises ActivityFailed."""
        return await self._execute(activity, command, _OF_STEPS, self._policy.step_deadline, local=local)

    async def within_undo_deadline(self, activity: Callable[[A, C], R], command: C, *, local: bool) -> R:
        """Retried until the policy's `undo_deadline`. Raises ActivityFailed."""
        return await self._execute(activity, command, _OF_UNDOS, self._policy.undo_deadline, local=local)

    def stop(self) -> None:
        """No more retries. What runs at this moment is still waited for, so that no undo overtakes it."""
        self.stopped = True
        for execution in list(self._running):
            execution.cancel()

    async def _execute(
        self, activity: Callable[[A, C], R], command: C, retry: RetryPolicy, deadline: float, *, local: bool
    ) -> R:
        name = activity_name(activity)
        options: _Options = {
            "start_to_close_timeout": timedelta(seconds=self._policy.attempt_timeout),
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            "summary": command.in_words() or None,
        }
        if local:
            execution = workflow.start_local_activity_method(activity, command, retry_policy=_ONCE, **options)
            try:
                return await self._outcome(name, execution)
            except ActivityFailed as failure:
                if failure.refusal or self.stopped:
                    raise
                # Unknown. It is retried where an outage can be seen, on the service's own task queue.
        queue, until = name.partition(".")[0], timedelta(seconds=deadline)
        return await self._outcome(
            name,
            workflow.start_activity_method(
                activity, command, task_queue=queue, schedule_to_close_timeout=until, retry_policy=retry, **options
            ),
        )

    async def _outcome(self, activity: str, execution: ActivityHandle[R]) -> R:
        self._running[execution] = None
        try:
            return await execution
        except FailureError as failure:
            raise ActivityFailed(activity, failure) from failure
        finally:
            self._running.pop(execution, None)
