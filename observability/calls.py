"""Observes every call of a service's operation, in either style, for metrics and logs."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from temporalio import activity

from kernel.contracts import Command
from kernel.errors import Refusal
from kernel.service import Kind, Wrap
from services import SERVICES

T = TypeVar("T")

_REMEMBERED = 10_000


@dataclass(frozen=True)
class Call:
    """One attempt. `step` is `service.verb`; `attempt` counts from 1.

    It is the higher of two counts: Temporal's, of an activity's attempts, and this process' own, of failed calls.
    """

    step: str
    kind: Kind
    order: str
    style: str
    attempt: int


Around = Callable[[Call], AbstractContextManager[None]]


def around_calls(around: Sequence[Around], wrap: Wrap) -> Wrap:
    """`wrap`, with these around each service that it returns."""
    failed = _FailedCalls()

    def wrapped(name: str, port: T, /) -> T:
        inner = wrap(name, port)
        kinds = next(({one.verb: one.kind for one in each.operations} for each in SERVICES if each.name == name), {})
        return cast(T, _Watched(name, inner, kinds, around, failed)) if kinds else inner

    return wrapped


class _FailedCalls:
    """How often each call has failed in this process; forgotten when the call ends, and only the latest are kept."""

    def __init__(self) -> None:
        self._counts = OrderedDict[tuple[str, str], int]()
        self._mutex = threading.Lock()

    def before(self, step: str, key: str) -> int:
        with self._mutex:
            return self._counts.get((step, key), 0)

    def failed(self, step: str, key: str) -> None:
        with self._mutex:
            self._counts[step, key] = self._counts.get((step, key), 0) + 1
            while len(self._counts) > _REMEMBERED:
                self._counts.popitem(last=False)

    def ended(self, step: str, key: str) -> None:
        with self._mutex:
            self._counts.pop((step, key), None)


class _Watched:
    """A proxy for a service."""

    def __init__(
        self, service: str, target: object, kinds: dict[str, Kind], around: Sequence[Around], failed: _FailedCalls
    ) -> None:
        self._service = service
        self._target = target
        self._kinds = kinds
        self._around = around
        self._failed = failed

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self._target, verb)
        return partial(self._call, method, verb) if verb in self._kinds else method

    def _call(self, method: Callable[[Command], object], verb: str, command: Command) -> object:
        step = f"{self._service}.{verb}"
        # After an attempt in place, an activity counts its attempts from 1 again.
        of_activity = activity.info().attempt if activity.in_activity() else 1
        attempt = max(of_activity, self._failed.before(step, command.key) + 1)
        call = Call(step, self._kinds[verb], command.order_id, command.style, attempt)
        with ExitStack() as stack:
            for one in self._around:
                stack.enter_context(one(call))
            try:
                reply = method(command)
            except Refusal:
                self._failed.ended(step, command.key)
                raise
            except BaseException:
                self._failed.failed(step, command.key)
                raise
            self._failed.ended(step, command.key)
            return reply
