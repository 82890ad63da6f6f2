"""What is looked into on a schedule, as Temporal activities: of all orders, and of none in particular."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio import activity

from kernel.contracts import Contract

_BEAT_SECONDS = 5.0


class Examine(Contract):
    """What is asked for: all of it, so far."""


class Finding(Contract):
    """`order_id` is empty for what concerns no single order."""

    order_id: str
    invariant: str


class Examined(Contract):
    """A report that stays in the workflow's history: small, and nothing in it is private.

    Attributes:
        orders: how many were looked at.
        findings: how many there are; `shown` has the first of them.
        not_judged: how many things were left out.
    """

    examination: str
    orders: int
    findings: int
    shown: tuple[Finding, ...]
    not_judged: int


class Operations:
    """
    Args:
        audit: looks into all books and events; it may take long, and runs in a thread.
        reconcile: compares our books with those of the companies behind our services; likewise.
        publish: has everybody know what was found. The run's id is given, so that repeating it changes nothing.
    """

    def __init__(
        self,
        audit: Callable[[], Examined],
        reconcile: Callable[[], Examined],
        publish: Callable[[Examined, str], Awaitable[None]],
    ) -> None:
        self._audit = audit
        self._reconcile = reconcile
        self._publish = publish

    def all(self) -> list[Callable[..., object]]:
        return [self.audit, self.reconcile, self.publish]

    @activity.defn(name="operations.audit")
    async def audit(self, asked: Examine) -> Examined:
        return await _beating(self._audit)

    @activity.defn(name="operations.reconcile")
    async def reconcile(self, asked: Examine) -> Examined:
        return await _beating(self._reconcile)

    @activity.defn(name="operations.publish")
    async def publish(self, examined: Examined) -> None:
        await self._publish(examined, activity.info().workflow_run_id or "")


async def _beating(look: Callable[[], Examined]) -> Examined:
    """In a thread, so that a worker that dies meanwhile is noticed soon."""
    looking = asyncio.create_task(asyncio.to_thread(look))
    while not looking.done():
        activity.heartbeat()
        await asyncio.wait([looking], timeout=_BEAT_SECONDS)
    return looking.result()
