"""One call of a service's activity, in the terms of a saga: a reply, a refusal, or an unknown outcome."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.workflow import ActivityCancellationType, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from kernel.contracts import Command, Policy

C = TypeVar("C", bound=Command)
R = TypeVar("R")

_ONCE = RetryPolicy(maximum_attempts=1)
_SOON = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
_PATIENTLY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(minutes=1))


class Failed(Exception):
    """An activity that ended without a reply; `refusal` names the service's no; without one nothing is known."""

    def __init__(self, activity: str, failure: FailureError) -> None:
        # A local activity's failure comes bare, another's inside an ActivityError.
        cause = failure.cause if isinstance(failure, ActivityError) else failure
        self.refusal: str | None = None
        if isinstance(cause, ApplicationError) and cause.non_retryable:
            self.refusal = cause.type
            super().__init__(f"{cause.type}: {cause.message}")
        else:
            last = getattr(cause, "cause", None) or cause
            super().__init__(f"Outage: no answer from {activity} in time ({getattr(last, 'message', last)})")


class ActivityCalls:
    """The calls of one saga, which can be stopped as long as they may be."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._running: dict[ActivityHandle[Any], None] = {}  # a set, in order
        self.stopped = False

    async def until_deadline(self, activity: Callable[[Any, C], R], command: C, *, local: bool) -> R:
        """Call until the step's deadline. Raises Failed."""
        return await self._call(activity, command, _SOON, self._policy.step_deadline, local=local)

    async def until_done(self, activity: Callable[[Any, C], R], command: C, *, local: bool = False) -> R:
        """Call until the undo's deadline. Raises Failed."""
        return await self._call(activity, command, _PATIENTLY, self._policy.undo_deadline, local=local)

    def stop(self) -> None:
        """No more retries. What runs at this moment is still waited for, so that no undo overtakes it."""
        self.stopped = True
        for handle in list(self._running):
            handle.cancel()

    async def _call(
        self, activity: Callable[[Any, C], R], command: C, retry: RetryPolicy, deadline: float, *, local: bool
    ) -> R:
        name = name_of(activity)
        options: dict[str, Any] = {
            "start_to_close_timeout": timedelta(seconds=self._policy.attempt_timeout),
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            "summary": command.in_words() or None,
        }
        if local:
            handle = workflow.start_local_activity_method(activity, command, retry_policy=_ONCE, **options)
            try:
                return await self._outcome(name, handle)
            except Failed as failure:
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

    async def _outcome(self, activity: str, handle: ActivityHandle[R]) -> R:
        self._running[handle] = None
        try:
            return await handle
        except FailureError as failure:
            raise Failed(activity, failure) from failure
        finally:
            self._running.pop(handle, None)


def name_of(activity: Callable[..., Any]) -> str:
    """`service.verb`: a service has one name in every layer."""
    return f"{activity.__module__.rpartition('.')[2]}.{activity.__name__}"
