"""What a saga must get done, and an operator's decision on what fails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from client.contracts import Resolution, ResolveBy
    from workflows.activity_executions import ActivityFailed


class Execute(Protocol):
    def __call__(self, *, local: bool) -> Awaitable[object]: ...


@dataclass(frozen=True)
class RequiredAction:
    """An undo, or a step past the pivot.

    Attributes:
        done: the step's state once the action was executed.
        holds_back: while it is stuck, later actions wait, since the saga may turn out to be past its pivot.
        too_late: the refusal which means that the saga is past its pivot.
    """

    step: str
    execute: Execute
    done: str
    holds_back: bool = False
    too_late: str = ""


@dataclass(frozen=True)
class Settled:
    """What was stuck, and how an operator settled it by hand."""

    step: str
    problem: str
    note: str
    actor: str

    def __str__(self) -> str:
        return f"{self.step}: {self.problem} – {self.note}"


class GoesForward(Exception):
    """The saga is past its pivot, by a service's refusal or an operator's decision, so nothing else is undone."""


class Report(Protocol):
    def __call__(self, step: str, state: str, detail: str = "") -> None: ...


class RequiredActions:
    """The required actions of one saga.

    Args:
        report: called with each step's new state.
        changed: called when a wait for an operator begins or ends.
        problems_changed: called when what is stuck changes, with what was settled by hand, if anything was.
    """

    def __init__(
        self, report: Report, changed: Callable[[], None], problems_changed: Callable[[Settled | None], None]
    ) -> None:
        self._report = report
        self._changed = changed
        self._problems_changed = problems_changed
        self._stuck: dict[str, tuple[RequiredAction, str]] = {}
        self._resolution: Resolution | None = None
        self.waits_for_operator = False
        self.stuck_since: datetime | None = None

    @property
    def problems(self) -> dict[str, str]:
        """What is stuck, by step, and why."""
        return {step: problem for step, (_, problem) in self._stuck.items()}

    @property
    def held_back_by(self) -> str:
        """The stuck step that others wait for; empty if there is none."""
        return next((step for step, (action, _) in self._stuck.items() if action.holds_back), "")

    async def complete(self, actions: list[RequiredAction], *, local: bool = False) -> None:
        """Execute all actions. A failed one waits for an operator after the others, or at once if it `holds_back`.

        Raises:
            GoesForward: an action that holds back the others came too late, by its service or by an operator.
        """
        for action in actions:
            await self._attempt(action, local=local)
            if action.holds_back:
                await self._until_settled()
        await self._until_settled()

    async def _until_settled(self) -> None:
        while self._stuck:
            self.waits_for_operator = True
            self._changed()
            await workflow.wait_condition(lambda: not self.waits_for_operator)
            assert self._resolution is not None
            for step in [step for step in self._stuck if self._resolution.step in ("", step)]:
                await self._settle(step, self._resolution)

    def resolve(self, resolution: Resolution) -> None:
        """An operator's decision on what is stuck, or on one step of it."""
        self._resolution, self.waits_for_operator = resolution, False
        self._changed()

    async def _settle(self, step: str, resolution: Resolution) -> None:
        action, problem = self._stuck[step]
        if resolution.decision is ResolveBy.RETRY:
            await self._attempt(action, local=False)
        else:
            del self._stuck[step]
            if resolution.decision is ResolveBy.DELIVERED:
                self._report(step, "delivered", resolution.note)
                self._problems_changed(Settled(step, problem, resolution.note, resolution.actor))
                raise GoesForward
            self._report(step, "settled by hand", resolution.note)
            self._problems_changed(Settled(step, problem, resolution.note, resolution.actor))

    async def _attempt(self, action: RequiredAction, *, local: bool) -> None:
        self._report(action.step, "running")
        try:
            await action.execute(local=local)
        except ActivityFailed as failure:
            if action.too_late and failure.refusal == action.too_late:
                self._report(action.step, "too late", str(failure))
                if self._stuck.pop(action.step, None):
                    self._problems_changed(None)
                raise GoesForward from None
            self.stuck_since = self.stuck_since if self._stuck else workflow.now()
            self._stuck[action.step] = (action, str(failure))
            self._report(action.step, "failed", str(failure))
            self._problems_changed(None)  # report it at once: the other actions may take long
        else:
            self._report(action.step, action.done)
            if self._stuck.pop(action.step, None):
                self._problems_changed(None)
