"""Executes a service's activity. The result is a reply, a refusal or an unknown outcome."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypedDict, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.workflow import ActivityCancellationType, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from activities import activity_name
    from kernel.contracts import Command, Contract, Policy, Steps

A = TypeVar("A")
C = TypeVar("C", bound=Command)
R = TypeVar("R", bound=Contract)

# A cancellation waits for the current workflow task, and so for its local activities: at most the sum of these two.
_IN_PLACE = timedelta(seconds=1)
_IN_PLACE_IN_A_ROW = timedelta(seconds=0.75)

_ONCE = RetryPolicy(maximum_attempts=1)
_OF_STEPS = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
_OF_UNDOS = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(minutes=1))


class ActivityFailed(Exception):
    """An activity ended without a reply. `refusal` is the service's refusal; if it is None, the outcome is unknown."""

    def __init__(self, activity: str, failure: FailureError) -> None:
        # The failure of a local activity is not wrapped in an ActivityError.
        cause = failure.cause if isinstance(failure, ActivityError) else failure
        self.refusal: str | None = None
        if isinstance(cause, ApplicationError) and cause.non_retryable:
            self.refusal = cause.type
            super().__init__(f"{cause.type}: {cause.message}")
        else:
            last = (cause.cause if isinstance(cause, FailureError) else None) or cause
            why = last.message if isinstance(last, FailureError) else last
            super().__init__(f"Outage: no answer from {activity} in time ({why})")


class _Options(TypedDict):
    start_to_close_timeout: timedelta
    cancellation_type: ActivityCancellationType
    summary: str | None


class ActivityExecutions:
    """The activity executions of one saga. With `local`, the first attempt is a local activity.

    Args:
        steps: where steps without `local` are tried first.
    """

    def __init__(self, policy: Policy, steps: Steps) -> None:
        self._policy = policy
        self._steps = steps
        self._in_place_since: datetime | None = None
        self._running: dict[asyncio.Task[object], None] = {}  # an ordered set
        self.stopped = False

    async def within_step_deadline(self, activity: Callable[[A, C], R], command: C, *, local: bool) -> R:
        """Execute and retry until the policy's `step_deadline`, or until `stop`. Raises ActivityFailed."""
        local = self._is_in_place() if self._steps is Steps.IN_PLACE else local
        return await self._execute(activity, command, _OF_STEPS, self._policy.step_deadline, local=local)

    async def within_undo_deadline(self, activity: Callable[[A, C], R], command: C, *, local: bool) -> R:
        """Execute and retry until the policy's `undo_deadline`. Raises ActivityFailed."""
        return await self._execute(activity, command, _OF_UNDOS, self._policy.undo_deadline, local=local)

    def stop(self) -> None:
        """Stop retrying. An attempt that is running is still waited for, so that no undo overtakes it."""
        self.stopped = True
        for execution in list(self._running):
            execution.cancel()

    def _is_in_place(self) -> bool:
        """Whether this workflow task has time for a local activity. In one task, only they advance `workflow.now()`."""
        self._in_place_since = self._in_place_since or workflow.now()
        return workflow.now() - self._in_place_since < _IN_PLACE_IN_A_ROW

    async def _execute(
        self, activity: Callable[[A, C], R], command: C, retry: RetryPolicy, deadline: float, *, local: bool
    ) -> R:
        name, attempt_timeout = activity_name(activity), timedelta(seconds=self._policy.attempt_timeout)
        options: _Options = {
            "start_to_close_timeout": min(attempt_timeout, _IN_PLACE) if local else attempt_timeout,
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            "summary": command.in_words() or None,
        }
        if local:
            execution = workflow.start_local_activity_method(activity, command, retry_policy=_ONCE, **options)
            try:
                return await self._outcome(name, execution)
            except ActivityFailed as failure:
                if failure.refusal or (self.stopped and retry is _OF_STEPS):
                    raise
                # The outcome is unknown. Retry on the service's task queue, where an outage can be seen.
                options["start_to_close_timeout"] = attempt_timeout
        queue, until = name.partition(".")[0], timedelta(seconds=deadline)
        try:
            return await self._outcome(
                name,
                workflow.start_activity_method(
                    activity, command, task_queue=queue, schedule_to_close_timeout=until, retry_policy=retry, **options
                ),
            )
        finally:
            self._in_place_since = None  # the next code runs in another workflow task

    async def _outcome(self, activity: str, execution: ActivityHandle[R]) -> R:
        self._running[execution] = None
        try:
            return await execution
        except FailureError as failure:
            raise ActivityFailed(activity, failure) from failure
        finally:
            self._running.pop(execution, None)
