"""A saga: steps with their undos, which run newest first when the saga stops. It is independent of orders.

Four rules make it safe against lost replies, killed workers and cancellations:
- Undos are declared before any step runs, and each step that may have happened is undone, including steps that are not
  in this history (`_may_have_happened`).
- An undo waits for the running attempt of its step; an attempt that arrives even later finds a tombstone.
- Nothing interrupts the undoing.
- Nothing is undone once the saga is past its pivot.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Never, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import activity_name
    from client.contracts import Resolution, ResolveBy, Stage, StepReport
    from kernel.contracts import Command, Contract, Policy, Steps
    from kernel.errors import AlreadyUndone, KeyReused
    from kernel.keys import Key
    from workflows.activity_executions import ActivityExecutions, ActivityFailed
    from workflows.compensation import Abandoned
    from workflows.required_actions import GoesForward, RequiredAction, RequiredActions, Settled
    from workflows.steps import ServiceSteps, Step

A = TypeVar("A", contravariant=True)  # a service's activities
C = TypeVar("C", bound=Command, contravariant=True)
R = TypeVar("R", bound=Contract, covariant=True)
S = TypeVar("S")
T = TypeVar("T")


class Saga:
    """One run of a saga.

    Args:
        order_id: the order that all commands are for.
        policy: the time limits.
        steps: where steps are tried first.
        again: an earlier run of this saga ended before the order did, and this run continues it.
        changed: called after each change of the visible state.
        problems_changed: called when what needs an operator changes, with what was settled by hand, if anything was.
    """

    def __init__(
        self,
        order_id: str,
        policy: Policy,
        steps: Steps,
        again: bool,
        changed: Callable[[], None],
        problems_changed: Callable[[Settled | None], None],
    ) -> None:
        self._order_id = order_id
        self._executions = ActivityExecutions(policy, steps)
        self._in_place = steps is Steps.IN_PLACE
        self._again = again
        self._changed = changed
        self._required = RequiredActions(self._report, changed, problems_changed)
        self._steps: list[Step[Never, Never, Contract]] = []
        self._refused_for_good = False
        self._reports: dict[str, StepReport] = {}
        self._notifying: asyncio.Task[None] | None = None
        self.cancel_reason: str | None = None
        self._cancelled_by = ""
        self.retries = 0  # by operators
        self.undoing = False
        self.past_pivot = False

    @property
    def reports(self) -> tuple[StepReport, ...]:
        return tuple(self._reports.values())

    @property
    def problems(self) -> dict[str, str]:
        """What is stuck, by step, and why."""
        return self._required.problems

    @property
    def waits_for_operator(self) -> bool:
        return self._required.waits_for_operator

    @property
    def follows_another_run(self) -> bool:
        """Whether steps may have been done that are not in this history: by an earlier run, or before a reset."""
        info = workflow.info()
        is_reset = info.run_id != info.first_execution_run_id
        return self._again or (is_reset and workflow.patched("a run after a reset may know less"))

    @property
    def stuck_since(self) -> datetime | None:
        """Since when it needs an operator; None if it does not."""
        return self._required.stuck_since if self.problems else None

    @property
    def stage(self) -> Stage:
        if self.waits_for_operator:
            return Stage.ATTENTION
        return Stage.UNDOING if self.undoing else Stage.PROCESSING

    def on(self, _service: type[A]) -> ServiceSteps[A]:
        """The saga's steps at one service; the type checker refuses activities of another service."""
        return ServiceSteps(self)

    async def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Run the saga in a task of its own, so that Temporal's cancellation is a request, not an exception in it."""
        task = asyncio.create_task(story)
        while not task.done():
            try:
                await workflow.wait([task])
            except asyncio.CancelledError:
                if workflow.cancellation_reason() is None:
                    raise  # not a cancellation: the worker evicts this workflow from its cache
                self.cancel(f"Cancelled in Temporal: {workflow.cancellation_reason() or 'no reason given'}")
        return task.result()

    async def side_by_side(self, first: Coroutine[Any, Any, S], second: Coroutine[Any, Any, T]) -> tuple[S, T]:
        """Run two steps concurrently. If one fails, the other is stopped and waited for before anything is undone."""
        one, other = asyncio.create_task(first), asyncio.create_task(second)
        done, pending = await workflow.wait([one, other], return_when=asyncio.FIRST_EXCEPTION)
        if pending:
            self._executions.stop()
            await workflow.wait(pending)
        failures = [failure for task in (*done, *pending) if (failure := task.exception())]
        if failures:  # a bug first; else the first failure, since the other step was stopped because of it
            raise min(failures, key=lambda failure: isinstance(failure, Abandoned))
        return one.result(), other.result()

    def pivot(self) -> None:
        """Mark the pivot: from here the saga only goes forward."""
        self.past_pivot, self.undoing = True, False

    async def compensate(self, cause: Abandoned) -> bool:
        """Undo what may have been done, newest first. An undo that fails waits for an operator.

        Returns:
            False if the saga turned out to be past its pivot, so that it must go forward.
        """
        self.undoing = True
        self._changed()
        undos = [
            step.compensation.action(self._executions, self._order_id, cause)
            for place, step in reversed(list(enumerate(self._steps)))
            if step.compensation and self._may_have_happened(place)
        ]
        try:
            await self._required.complete(undos)
        except GoesForward:
            return False
        return True

    def cancel(self, reason: str, actor: str = "") -> None:
        """Request cancellation. It has no effect past the pivot, or once the saga is undoing."""
        if self.cancel_reason is None and not (self.past_pivot or self.undoing):
            self.cancel_reason, self._cancelled_by = reason, actor
            self._executions.stop()

    def stop_if_cancelled(self) -> None:
        """Raises Abandoned once cancellation was requested."""
        if self.cancel_reason is not None:
            raise Abandoned(self.cancel_reason, cancelled=True, actor=self._cancelled_by)

    def resolve(self, resolution: Resolution) -> None:
        """An operator's decision on what is stuck, or on one step of it."""
        self.retries += resolution.decision is ResolveBy.RETRY
        self._required.resolve(resolution)

    @property
    def held_back_by(self) -> str:
        """The stuck undo that the others wait for; empty if there is none."""
        return self._required.held_back_by

    async def all_notified(self) -> None:
        if self._notifying:
            await workflow.wait([self._notifying])

    def _may_have_happened(self, place: int) -> bool:
        """Whether the step at this place may have had its effect.

        A local activity takes effect before it is in the history, and never gets there if the worker dies in between.
        So a step that is not in this history may have been done by a worker that died, or by another run; but not if a
        service refused an earlier step for good.
        """
        step = self._steps[place]
        if step.reached or self._refused_for_good:
            return step.reached
        if self._in_place or self.follows_another_run:
            return True
        # With steps by queue, only the step past the pivot is tried as a local activity. Sagas that began before this
        # rule do not prevent it.
        is_next = step.compensation is not None and step.compensation.is_pivot and self._steps[place - 1].reached
        return is_next and workflow.patched("completion is withheld before anything is undone")

    async def _step(self, step: Step[A, C, R], command: C) -> R:
        is_first = step is self._steps[0]
        if not is_first:
            self.stop_if_cancelled()
        step.reached = True
        self.stop_if_cancelled()  # the first step's undo runs even then: it publishes the order's end
        self._report(step.name, "running")
        try:
            reply = await self._executions.within_step_deadline(step.do, command, local=step.local)
        except asyncio.CancelledError:
            if not self._executions.stopped:
                raise  # the worker evicts this workflow from its cache
            self._report(step.name, "unknown", "stopped")
            self.stop_if_cancelled()
            raise Abandoned(f"{step.name} was stopped") from None
        except ActivityFailed as failure:
            # A refusal means that nothing was done under the key. KeyReused is the exception: something was done under
            # our key, so it is undone; but at the first step it means that the order's id belongs to another order.
            refusal = failure.refusal
            if refusal and (is_first or refusal != KeyReused.name):
                step.compensation = None
            if refusal and (is_first or refusal not in (KeyReused.name, AlreadyUndone.name)):
                self._refused_for_good = not (is_first and self._has_ended_in_another_run(step, refusal))
            self._report(step.name, "refused" if refusal else "unknown", str(failure))
            self.stop_if_cancelled()
            raise Abandoned(str(failure)) from None
        self._report(step.name, "done")
        self.stop_if_cancelled()
        return reply

    def _has_ended_in_another_run(self, step: Step[A, C, R], refusal: str) -> bool:
        """Whether another run ended, by the first step's refusal. How far it got, and what it undid, is unknown."""
        has_ended = refusal in (AlreadyUndone.name, step.ended.name if step.ended else "")
        return has_ended and workflow.patched("another run may have done more")

    async def _forward(self, do: Callable[[A, C], R], command: C, *, local: bool) -> R | None:
        reply: R | None = None

        async def execute(*, local: bool) -> None:
            nonlocal reply
            reply = await self._executions.within_undo_deadline(do, command, local=local)

        await self._required.complete([RequiredAction(activity_name(do), execute, "done")], local=local)
        return reply

    def _notify(self, activity: Callable[[A, C], R], command: C) -> None:
        self._notifying = asyncio.create_task(self._notify_after(self._notifying, activity, command))

    async def _notify_after(self, before: asyncio.Task[None] | None, activity: Callable[[A, C], R], command: C) -> None:
        if before:
            await workflow.wait([before])
        try:
            await self._executions.within_undo_deadline(activity, command, local=False)
        except ActivityFailed as failure:
            self._report(activity_name(activity), "failed", str(failure))

    def _key(self, do: Callable[[A, C], R]) -> str:
        return str(Key(self._order_id, activity_name(do).rpartition(".")[2]))

    def _report(self, step: str, state: str, detail: str = "") -> None:
        self._reports[step] = StepReport(step=step, state=state, detail=detail)
        self._changed()
