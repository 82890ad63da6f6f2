"""A saga: steps with their undos, undone newest first, whatever stops it. Knows no orders.

Three rules make it safe against a reply that is lost, a worker that dies and a customer who cancels:
an undo is registered before its step runs; an undo waits for its own step as long as that may be waited for (what comes
later still finds a tombstone); and nothing interrupts the undoing.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from client.contracts import Resolution, ResolveBy, StepReport
    from kernel.contracts import Command, Policy, Undo, Undone
    from kernel.errors import KeyReused
    from workflows.activity_calls import ActivityCalls, Failed, name_of

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
        attention: called whenever what needs an operator changes, with what was settled by hand, if anything.
    """

    def __init__(
        self,
        order_id: str,
        policy: Policy,
        changed: Callable[[], None],
        attention: Callable[[str], None],
    ) -> None:
        self._order_id = order_id
        self._calls = ActivityCalls(policy)
        self._changed = changed
        self._attention = attention
        self._compensations: list[_Compensation] = []
        self._reports: dict[str, StepReport] = {}
        self._resolution: Resolution | None = None
        self.cancel_reason: str | None = None
        self.undoing = False
        self.past_pivot = False
        self.waits_for_operator = False
        self._stuck: dict[str, tuple[_Action, str]] = {}
        self._telling: asyncio.Task[None] | None = None

    @property
    def reports(self) -> tuple[StepReport, ...]:
        return tuple(self._reports.values())

    @property
    def problems(self) -> dict[str, str]:
        """What is stuck, by step, and why."""
        return {step: problem for step, (_, problem) in self._stuck.items()}

    async def run(self, story: Coroutine[Any, Any, R]) -> R:
        """Run the saga's story in a task of its own, where Temporal's cancellation is a wish and not an exception."""
        task = asyncio.create_task(story)
        while not task.done():
            try:
                await workflow.wait([task])
            except asyncio.CancelledError:
                if workflow.cancellation_reason() is None:
                    raise  # not a cancellation: the worker puts this workflow out of its memory
                self.cancel(f"Cancelled in Temporal: {workflow.cancellation_reason() or 'no reason given'}")
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
        step = name_of(do)
        compensation = _Compensation(command.key, undo, on_cancel or undo) if undo else None
        if self._compensations:
            self.stop_if_cancelled()
        if compensation:
            self._compensations.append(compensation)
        self.stop_if_cancelled()  # the first step's undo is done all the same: it tells that nothing will come
        self._report(step, "running")
        try:
            reply = await self._calls.until_deadline(do, command, local=local)
        except asyncio.CancelledError:
            if not self._calls.stopped:
                raise  # the worker puts this workflow out of its memory
            self._report(step, "unknown", "stopped")
            self.stop_if_cancelled()
            raise Abandoned(f"{step} was stopped") from None
        except Failed as failure:
            if compensation and self._nothing_was_done(failure):
                self._compensations.remove(compensation)
            self._report(step, "refused" if failure.refusal else "unknown", str(failure))
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

    def tell(self, activity: Callable[[Any, C], R], command: C) -> None:
        """Let a service know, in the order of what there is to tell, while the saga goes on."""
        self._telling = asyncio.create_task(self._tell(self._telling, activity, command))

    async def all_told(self) -> None:
        if self._telling:
            await workflow.wait([self._telling])

    def resolve(self, resolution: Resolution) -> None:
        """An operator's word on what is stuck, or on one step of it."""
        self._resolution, self.waits_for_operator = resolution, False
        self._changed()

    async def _insist(self, actions: list[_Action], *, local: bool = False) -> None:
        """Do all of it. What cannot be done stays stuck, until it can, or an operator has settled it by hand."""
        for action in actions:
            await self._attempt(action, local=local)
        while self._stuck:
            self.waits_for_operator = True
            self._changed()
            await workflow.wait_condition(lambda: not self.waits_for_operator)
            assert self._resolution is not None
            for step in [step for step in self._stuck if self._resolution.step in ("", step)]:
                action, problem = self._stuck[step]
                if self._resolution.decision is ResolveBy.RETRY:
                    await self._attempt(action)
                else:
                    del self._stuck[step]
                    self._report(step, "settled by hand", self._resolution.note)
                    self._attention(f"{step}: {problem} – {self._resolution.note}")

    async def _attempt(self, action: _Action, *, local: bool = False) -> None:
        step = name_of(action.activity)
        self._report(step, "running")
        try:
            await self._calls.until_done(action.activity, action.command, local=local)
        except Failed as failure:
            self._stuck[step] = (action, str(failure))
            self._report(step, "failed", str(failure))
            self._attention("")  # at once: the others may take their time
        else:
            self._report(step, action.state)
            if self._stuck.pop(step, None):
                self._attention("")

    async def _tell(self, before: asyncio.Task[None] | None, activity: Callable[[Any, C], R], command: C) -> None:
        if before:
            await workflow.wait([before])
        try:
            await self._calls.until_done(activity, command)
        except Failed as failure:
            self._report(name_of(activity), "failed", str(failure))

    def _nothing_was_done(self, failure: Failed) -> bool:
        """A refusal is the service's own word for it; but what is under our key, with another content, is ours.

        Unless it is the first step's: then the order's id is another order's.
        """
        return bool(failure.refusal) and (failure.refusal != KeyReused.name or len(self._compensations) == 1)

    def _report(self, step: str, state: str, detail: str = "") -> None:
        self._reports[step] = StepReport(step=step, state=state, detail=detail)
        self._changed()
