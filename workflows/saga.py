"""A saga: steps with their undos, undone newest first, whatever stops it. Knows no orders.

Three rules make it safe against a reply that is lost, a worker that dies and a customer who cancels:
an undo is registered before its step runs; an undo never overtakes its own step while that is still running; and
nothing interrupts the undoing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from services.contracts import Command, Undo, Undone
    from workflows.calls import Calls, Failed, name_of
    from workflows.contracts import Policy, Resolution, ResolveBy, StepReport

C = TypeVar("C", bound=Command)
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")

UndoActivity = Callable[[Any, Undo], Undone]


class Abandoned(Exception):
    """The saga cannot go on, and what was done must be undone."""

    def __init__(self, reason: str, *, cancelled: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cancelled = cancelled


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
        self._calls = Calls(policy)
        self._changed = changed
        self._attention = attention
        self._compensations: list[_Compensation] = []
        self._reports: dict[str, StepReport] = {}
        self._resolution: Resolution | None = None
        self.cancel_reason: str | None = None
        self.undoing = False
        self.past_pivot = False
        self.waits_for_operator = False
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
        step = name_of(do)
        compensation = _Compensation(command.key, undo, on_cancel or undo) if undo else None
        if compensation:
            self._compensations.append(compensation)
        self._report(step, "running")
        try:
            reply = await self._calls.try_for_a_while(do, command, local=local)
        except asyncio.CancelledError:
            if not self._calls.stopped:
                raise  # the worker puts this workflow out of its memory
            self._report(step, "unknown", "stopped")
            self.stop_if_cancelled()
            raise Abandoned(f"{step} was stopped") from None
        except Failed as failure:
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
            self._calls.stop()
            await workflow.wait(pending)
        failures = [failure for task in (*done, *pending) if (failure := task.exception())]
        if failures:  # a bug before all else; then what failed first, for the other was only stopped for it
            raise min(failures, key=lambda failure: isinstance(failure, Abandoned))
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
            self._calls.stop()

    def stop_if_cancelled(self) -> None:
        """Raises Abandoned once the saga is wished cancelled."""
        if self.cancel_reason is not None:
            raise Abandoned(self.cancel_reason, cancelled=True)

    async def tell(self, activity: Callable[[Any, C], R], command: C) -> None:
        """Let a service know, as patiently as an undo is retried; the saga does not hang on it."""
        try:
            await self._calls.insist(activity, command)
        except Failed as failure:
            self._report(name_of(activity), "failed", str(failure))

    def resolve(self, resolution: Resolution) -> None:
        """An operator's word on the problems."""
        self._resolution = resolution

    async def _insist(self, actions: list[_Action], *, local: bool = False) -> None:
        while actions:
            failed: dict[str, _Action] = {}
            for action in actions:
                step = name_of(action.activity)
                self._report(step, "running")
                try:
                    await self._calls.insist(action.activity, action.command, local=local)
                except Failed as failure:
                    self._report(step, "failed", str(failure))
                    failed[f"{step}: {failure}"] = action
                    await self._need_operator(tuple(failed))  # at once: the others may take their time
                else:
                    self._report(step, action.state)
            actions = list(failed.values())
            if actions and await self._operators_word() is ResolveBy.RESOLVED:
                for action in actions:
                    self._report(name_of(action.activity), "settled by hand")
                return

    async def _need_operator(self, problems: tuple[str, ...]) -> None:
        self.problems, self._resolution = problems, None
        await self._attention(problems, None)

    async def _operators_word(self) -> ResolveBy:
        self.waits_for_operator = True
        self._changed()
        await workflow.wait_condition(lambda: self._resolution is not None)
        assert self._resolution is not None
        problems, resolution = self.problems, self._resolution
        self.waits_for_operator, self.problems = False, ()
        await self._attention(problems, resolution)
        return resolution.decision

    def _report(self, step: str, state: str, detail: str = "") -> None:
        self._reports[step] = StepReport(step=step, state=state, detail=detail)
        self._changed()
