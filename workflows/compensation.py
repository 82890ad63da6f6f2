"""Why a saga is undone, and how each step is undone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import activity_name
    from kernel.contracts import Undo, Undone
    from kernel.errors import TooLate
    from workflows.activity_executions import ActivityExecutions
    from workflows.required_actions import RequiredAction

A = TypeVar("A", contravariant=True)  # a service's activities

# The reason goes into every undo, whose payload has a limit; people and services may give long reasons.
_LONGEST_REASON = 2_000


class Abandoned(Exception):
    """The saga cannot continue, so what was done must be undone."""

    def __init__(self, reason: str, *, cancelled: bool = False, actor: str = "") -> None:
        super().__init__(reason)
        self.reason = reason[:_LONGEST_REASON]
        self.cancelled = cancelled
        self.actor = actor


@dataclass(frozen=True)
class Compensation(Generic[A]):
    """How a step is undone.

    Attributes:
        is_pivot: the step is the first past the pivot. It is prevented, not undone; if it was done already, the saga
            goes forward.
    """

    key: str
    undo: Callable[[A, Undo], Undone]
    on_cancel: Callable[[A, Undo], Undone]
    holds_back: bool = False
    is_pivot: bool = False

    def action(self, executions: ActivityExecutions, order_id: str, cause: Abandoned) -> RequiredAction:
        activity = self.on_cancel if cause.cancelled else self.undo
        command = Undo(key=self.key, order_id=order_id, reason=cause.reason, actor=cause.actor)
        execute = partial(executions.within_undo_deadline, activity, command)
        if self.is_pivot:
            return RequiredAction(activity_name(activity), execute, "done", holds_back=True, too_late=TooLate.name)
        # Sagas that began before undos could hold back others continue without that.
        holds_back = self.holds_back and workflow.patched("an undo holds back those before it")
        return RequiredAction(activity_name(activity), execute, "undone", holds_back)
