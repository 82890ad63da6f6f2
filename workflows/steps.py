"""The steps of a saga, each beside its undo, as `workflows/order_saga.py` declares them."""

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
        """Raises Abandoned: refused, unanswered until its deadline, or cancelled."""
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
        """The saga's next step, beside its undo. Declare all before the first one is done.

        Args:
            on_cancel: the undo to use instead when the cause is a cancellation.
            holds_back: as long as it is not undone, no step before it is.
            local: tried in place also when the order's other steps are not.
            ended: by this refusal the first step says that another run of the saga has ended well.
        """
        key = self._saga._key(do)
        compensation = Compensation(key, undo, on_cancel or undo, holds_back) if undo else None
        return self._declared(do, compensation, local=local, ended=ended)

    def past_pivot(self, do: Callable[[A, C], R], *, prevent: Callable[[A, Undo], Undone]) -> Step[A, C, R]:
        """The step that follows the pivot. Before anything is undone it is prevented; if it was done, nothing is."""
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
        """A step past the pivot: done, or, without a reply, settled by an operator."""
        return await self._saga._forward(do, command, local=local)

    def notify(self, activity: Callable[[A, C], R], command: C) -> None:
        """Let the service know while the saga goes on; what it is notified of stays in order."""
        self._saga._notify(activity, command)
