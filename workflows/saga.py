"""A saga: steps with their undos, undone newest first, whatever stops it. Knows no orders.

Three rules make it safe against a reply that is lost, a worker that dies and a customer who cancels:
an undo is registered before its step runs; an undo never overtakes its own step while that is still running; and
nothing interrupts the undoing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.workflow import ActivityCancellationType, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from services.contracts import Command, Undo, Undone
    from workflows.contracts import Policy, Resolution, ResolveBy, StepReport

C = TypeVar("C", bound=Command)
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")

UndoActivity = Callable[[Any, Undo], Undone]

_ONCE = RetryPolicy(maximum_attempts=1)
_SOON = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
_PATIENTLY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(minutes=1))


class Abandoned(Exception):
    """The saga cannot go on, and what was done must be undone."""

    def __init__(self, reason: str, *, cancelled: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cancelled = cancelled


class _Failed(Exception):
    """An activity that ended without a reply; `refused` when the service said no, else nothing is known."""

    def __init__(self, activity: str, failure: FailureError) -> None:
        cause = failure.cause if isinstance(failure, ActivityError) else failure
        self.refused = isinstance(cause, ApplicationError) and cause.non_retryable
        if isinstance(cause, ApplicationError) and cause.non_retryable:
            super().__init__(f"{cause.type}: {cause.message}")
        else:
            last = getattr(cause, "cause", None) or cause
            super().__init__(f"Outage: no answer from {activity} in time ({getattr(last, 'message', last)})")


@dataclass(frozen=True)
class _Compensation:
    key: str
    undo: UndoActivity
    on_cancel: UndoActivity


@dataclass(frozen=True)
class _Action:
    """What must be done, however long it takes: an undo, or a step past the pivot."""

    activity: Callable[..., Any]
    command: Command
    state: str


class Saga:
    """One run of a saga.

    Args:
        order_id: what all commands are about.
        policy: how long to wait for what.
        changed: called after each change that a person would want to see.
        attention: called with the problems when an operator is needed, and again with the operator's word on them.
    """

    def __init__(
        self,
        order_id: str,
        policy: Policy,
        changed: Callable[[], None],
        attention: Callable[[tuple[str, ...], Resolution | None], Awaitable[None]],
    ) -> None:
        self._order_id = order_id
        self._policy = policy
        self._changed = changed
        self._attention = attention
        self._compensations: list[_Compensation] = []
        self._running: set[ActivityHandle[Any]] = set()
        self._reports: dict[str, StepReport] = {}
        self._resolution: Resolution | None = None
        self._stopping = False
        self.cancel_reason: str | None = None
        self.undoing = False
        self.past_pivot = False
        self.problems: tuple[str, ...] = ()

    @property
    def reports(self) -> tuple[StepReport, ...]:
        return tuple(self._reports.values())

    async def run(self, story: Coroutine[Any, Any, R]) -> R:
        """Run the saga's story in a task of its own, where Temporal's cancellation is a wish and not an exception."""
        task = asyncio.create_task(story)
        while not task.done():
            try:
                await workflow.wait([task])
            except asyncio.CancelledError:
                if workflow.cancellation_reason() is None:
                    raise  # not a cancellation: the worker puts this workflow out of its memory
                self.cancel(workflow.cancellation_reason() or "the workflow was cancelled")
        return task.result()

    async def step(
        self,
        do: Callable[[Any, C], R],
        command: C,
        *,
        undo: UndoActivity | None = None,
        on_cancel: UndoActivity | None = None,
        local: bool = False,
    ) -> R:
        """Do one step, and remember how to undo it.

        Args:
            on_cancel: the undo to use instead when the cause is a cancellation.
            local: short and idempotent, so tried first inside the workflow task.

        Raises:
            Abandoned: refused, unanswered until its deadline, or cancelled.
        """
        self.stop_if_cancelled()
        step = _name(do)
        compensation = _Compensation(command.key, undo, on_cancel or undo) if undo else None
        if compensation:
            self._compensations.append(compensation)
        self._report(step, "running")
        try:
            reply = await self._execute(do, command, self._policy.step_deadline, local=local)
        except asyncio.CancelledError:
            if not self._stopping:
                raise  # the worker puts this workflow out of its memory
            self._report(step, "unknown", "stopped")
            self.stop_if_cancelled()
            raise Abandoned(f"{step} was stopped") from None
        except _Failed as failure:
            if failure.refused and compensation:
                self._compensations.remove(compensation)  # the service's own word that nothing was done
            self._report(step, "refused" if failure.refused else "unknown", str(failure))
            self.stop_if_cancelled()
            raise Abandoned(str(failure)) from None
        self._report(step, "done")
        self.stop_if_cancelled()
        return reply

    async def side_by_side(self, first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
        """Two steps at once. When one fails, the other is stopped and waited for before anything is undone."""
        one, other = asyncio.create_task(first), asyncio.create_task(second)
        done, pending = await workflow.wait([one, other], return_when=asyncio.FIRST_EXCEPTION)
        if pending:
            self._stop_running()
            await workflow.wait(pending)
        for task in (one, other):
            failure = task.exception() if task in done else None
            if failure:
                raise failure
        return one.result(), other.result()

    def pivot(self) -> None:
        """From here the saga only goes forward."""
        self.past_pivot = True

    async def forward(self, do: Callable[[Any, C], R], command: C, *, local: bool = False) -> None:
        """A step past the pivot: done, or settled by an operator."""
        await self._insist([_Action(do, command, "done")], local=local)

    async def compensate(self, cause: Abandoned) -> None:
        """Undo what was done, newest first; what cannot be undone waits for an operator at the end."""
        self.undoing = True
        self._changed()
        await self._insist(
            [
                _Action(
                    step.on_cancel if cause.cancelled else step.undo,
                    Undo(key=step.key, order_id=self._order_id, reason=cause.reason),
                    "undone",
                )
                for step in reversed(self._compensations)
            ]
        )

    def cancel(self, reason: str) -> None:
        """Wish the saga cancelled. Too late past the pivot; needless once it is undoing."""
        if self.cancel_reason is None and not (self.past_pivot or self.undoing):
            self.cancel_reason = reason
            self._stop_running()

    def stop_if_cancelled(self) -> None:
        """Raises Abandoned once the saga is wished cancelled."""
        if self.cancel_reason is not None:
            raise Abandoned(self.cancel_reason, cancelled=True)

    async def tell(self, activity: Callable[[Any, C], R], command: C) -> None:
        """Let a service know, as patiently as an undo is retried; the saga does not hang on it."""
        try:
            await self._execute(activity, command, self._policy.undo_deadline)
        except _Failed as failure:
            self._report(_name(activity), "failed", str(failure))

    def resolve(self, resolution: Resolution) -> None:
        """An operator's word on the problems."""
        self._resolution = resolution

    async def _insist(self, actions: list[_Action], *, local: bool = False) -> None:
        while actions:
            failed: dict[str, _Action] = {}
            for action in actions:
                step = _name(action.activity)
                self._report(step, "running")
                try:
                    await self._execute(action.activity, action.command, self._policy.undo_deadline, local=local)
                except _Failed as failure:
                    self._report(step, "failed", str(failure))
                    failed[f"{step}: {failure}"] = action
                else:
                    self._report(step, action.state)
            actions = list(failed.values())
            if actions and await self._ask_operator(tuple(failed)) is ResolveBy.RESOLVED:
                for action in actions:
                    self._report(_name(action.activity), "settled by hand")
                return

    async def _ask_operator(self, problems: tuple[str, ...]) -> ResolveBy:
        self.problems, self._resolution = problems, None
        self._changed()
        await self._attention(problems, None)
        await workflow.wait_condition(lambda: self._resolution is not None)
        assert self._resolution is not None
        resolution, self.problems = self._resolution, ()
        self._changed()
        await self._attention(problems, resolution)
        return resolution.decision

    async def _execute(self, activity: Callable[[Any, C], R], command: C, deadline: float, *, local: bool = False) -> R:
        options: dict[str, Any] = {
            "start_to_close_timeout": timedelta(seconds=self._policy.attempt_timeout),
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            "summary": command.in_words() or None,
        }
        if local:
            try:
                return await self._outcome(
                    _name(activity),
                    workflow.start_local_activity_method(activity, command, retry_policy=_ONCE, **options),
                )
            except _Failed as failure:
                if failure.refused or self._stopping:
                    raise
                # Unknown. It is retried where an outage can be seen, on the service's own task queue.
        return await self._outcome(
            _name(activity),
            workflow.start_activity_method(
                activity,
                command,
                task_queue=_name(activity).partition(".")[0],
                schedule_to_close_timeout=timedelta(seconds=deadline),
                retry_policy=_PATIENTLY if self.undoing or self.past_pivot else _SOON,
                **options,
            ),
        )

    async def _outcome(self, activity: str, handle: ActivityHandle[R]) -> R:
        self._running.add(handle)
        try:
            return await handle
        except FailureError as failure:
            raise _Failed(activity, failure) from failure
        finally:
            self._running.discard(handle)

    def _stop_running(self) -> None:
        self._stopping = True
        for handle in list(self._running):
            handle.cancel()

    def _report(self, step: str, state: str, detail: str = "") -> None:
        self._reports[step] = StepReport(step=step, state=state, detail=detail)
        self._changed()


def _name(activity: Callable[..., Any]) -> str:
    """`service.verb`: a service has one name in every layer."""
    return f"{activity.__module__.rpartition('.')[2]}.{activity.__name__}"
