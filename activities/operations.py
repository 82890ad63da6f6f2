"""The scheduled examinations of all orders (audit, reconciliation), as Temporal activities."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio import activity

from kernel.contracts import Contract

_HEARTBEAT_SECONDS = 5.0


class Examine(Contract):
    """The request for an examination. It has no fields yet: an examination covers everything."""


class Finding(Contract):
    """`order_id` is empty if the finding concerns no single order."""

    order_id: str
    invariant: str


class Examined(Contract):
    """A report for the workflow's history: small, and without private data.

    Attributes:
        orders: how many orders were examined.
        findings: how many findings there are; `shown` has the first of them.
        not_judged: how many things could not be judged.
    """

    examination: str
    orders: int
    findings: int
    shown: tuple[Finding, ...]
    not_judged: int


class Operations:
    """
    Args:
        audit: examines all books and events. It may take long, and runs in a thread.
        reconcile: compares our books with the providers'. It may take long, and runs in a thread.
        publish: publishes the findings under the workflow run's id, so that a repeat has no further effect.
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
        return await _with_heartbeats(self._audit)

    @activity.defn(name="operations.reconcile")
    async def reconcile(self, asked: Examine) -> Examined:
        return await _with_heartbeats(self._reconcile)

    @activity.defn(name="operations.publish")
    async def publish(self, examined: Examined) -> None:
        await self._publish(examined, activity.info().workflow_run_id or "")


async def _with_heartbeats(examine: Callable[[], Examined]) -> Examined:
    """Run it in a thread and send heartbeats meanwhile, so that the death of the worker is noticed soon."""
    running = asyncio.create_task(asyncio.to_thread(examine))
    while not running.done():
        activity.heartbeat()
        await asyncio.wait([running], timeout=_HEARTBEAT_SECONDS)
    return running.result()
