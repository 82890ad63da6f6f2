"""The steps of a saga, each declared with its undo, as in `workflows/order_saga.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import activity_name
    from kernel.contracts import Command, Contract, Undo, Undone
    from kernel.errors import Refusal
    from workflows.compensation import Compensation

if TYPE_CHECKING:
    from workflows.saga import Saga

A = TypeVar("A", contravariant=True)  # a service's activities
C = TypeVar("C", bound=Command, contravariant=True)
R = TypeVar("R", bound=Contract, covariant=True)


class Step(Generic[A, C, R]):
    """One step of a saga. Made by `ServiceSteps`; call it to do it."""

    def __init__(
        self,
        saga: Saga,
        do: Callable[[A, C], R],
        compensation: Compensation[A] | None,
        *,
        local: bool,
        ended: type[Refusal] | None = None,
    ) -> None:
        self._saga = saga
        self.do = do
        self.name = activity_name(do)
        self.compensation = compensation
        self.local = local
        self.ended = ended
        self.reached = False

    async def __call__(self, command: C) -> R:
        """Do the step. Raises Abandoned if it is refused, cancelled, or unanswered at its deadline."""
        return await self._saga._step(self, command)


class ServiceSteps(Generic[A]):
    """A saga's steps at one service. Made by `Saga.on`."""

    def __init__(self, saga: Saga) -> None:
        self._saga = saga

    def step(
        self,
        do: Callable[[A, C], R],
        *,
        undo: Callable[[A, Undo], Undone] | None = None,
        on_cancel: Callable[[A, Undo], Undone] | None = None,
        holds_back: bool = False,
        local: bool = False,
        ended: type[Refusal] | None = None,
    ) -> Step[A, C, R]:
        """Declare the saga's next step, with its undo. Declare all steps before the first one runs.

        Args:
            on_cancel: the undo to use instead if the saga was cancelled.
            holds_back: no earlier step is undone until this one is.
            local: try it as a local activity first, even if the order's other steps are not.
            ended: for the first step: the refusal which means that another run has completed the saga.
        """
        key = self._saga._key(do)
        compensation = Compensation(key, undo, on_cancel or undo, holds_back) if undo else None
        return self._declared(do, compensation, local=local, ended=ended)

    def past_pivot(self, do: Callable[[A, C], R], *, prevent: Callable[[A, Undo], Undone]) -> Step[A, C, R]:
        """Declare the step that follows the pivot. Compensation prevents it first; if it is done, nothing is undone."""
        return self._declared(do, Compensation(self._saga._key(do), prevent, prevent, is_pivot=True))

    def _declared(
        self,
        do: Callable[[A, C], R],
        compensation: Compensation[A] | None,
        *,
        local: bool = False,
        ended: type[Refusal] | None = None,
    ) -> Step[A, C, R]:
        step = Step(self._saga, do, compensation, local=local, ended=ended)
        self._saga._steps.append(step)
        return step

    async def forward(self, do: Callable[[A, C], R], command: C, *, local: bool = False) -> R | None:
        """Do a step past the pivot. Returns None if an operator settled it by hand."""
        return await self._saga._forward(do, command, local=local)

    def notify(self, activity: Callable[[A, C], R], command: C) -> None:
        """Notify the service without waiting for it. Notifications are executed in order."""
        self._saga._notify(activity, command)
