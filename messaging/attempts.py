"""Handles a partition's events one by one: an order's in sequence, each until it is handled or given up."""

import asyncio
import logging
import time
from collections.abc import Callable

from kernel.trouble import Trouble, described
from messaging.bus import Bus, BusDown, Recorded
from messaging.failure import DeliveryFailure, FailureState
from messaging.handling import HandlerPool, OrderQueue, reaction_and_cause
from messaging.progress import Progress
from messaging.subscription import NonRetryable, Subscription, Unavailable

_log = logging.getLogger(__name__)

_AFTER_TROUBLE_SECONDS = 1.0


class Attempts:
    """The events that were started and are not finished.

    Args:
        handled: called after each event that was handled or given up.
        finished: called when nothing is left to do with an event now.

    Attributes:
        in_hand: the ids of the events that are being handled, wait for their turn, or are in a batch.
        set_aside: the ids of those that an operator must decide on, or has discarded.
    """

    def __init__(
        self,
        subscription: Subscription,
        bus: Bus,
        progress: Progress,
        pool: HandlerPool,
        handled: Callable[[], None],
        finished: Callable[[Recorded], None],
        trouble: Trouble,
    ) -> None:
        self._subscription = subscription
        self._bus = bus
        self._progress = progress
        self._pool = pool
        self._handled = handled
        self._finished = finished
        self._trouble = trouble
        self._ending = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: dict[str, OrderQueue] = {}  # by order
        self._on_record: set[str] = set()  # ids of the events in hand that have a row in `failures`
        self._available: dict[str, asyncio.Event] = {}  # set when the endpoint that an event waits for answers again
        self._failed_at: dict[str, float] = {}  # when each event in hand last failed, by a monotonic clock
        self.in_hand: set[str] = set()
        self.set_aside: set[str] = set()

    def has_order(self, order: str) -> bool:
        """Whether earlier events of this order are not finished."""
        return order in self._queues

    def start_owed(self, failure: DeliveryFailure) -> None:
        """Start an event that has a row in `failures`."""
        self._on_record.add(failure.id)
        self.set_aside.discard(failure.id)
        self.start(failure.recorded)

    def start(self, recorded: Recorded) -> None:
        self.in_hand.add(recorded.event.id)
        order = recorded.event.correlationid
        queue = self._queues.setdefault(order, OrderQueue())
        queue.add(recorded, self._subscription.may_overtake)
        if not queue.is_served:
            queue.is_served = True
            task = asyncio.create_task(self._serve(order, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def one_ended(self) -> None:
        """Wait until an order has no event left, or all wait for the end."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def end(self) -> None:
        """Let the handlers under way finish, and start no other."""
        self._ending.set()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for event_id in self.in_hand:
            self._trouble.over(event_id)  # the partition's next holder will log it

    async def _serve(self, order: str, queue: OrderQueue) -> None:
        """One order's events, one at a time."""
        while queue.waiting and not self._ending.is_set():
            recorded = queue.waiting[0]
            try:
                pause = await self._attempt(recorded)
            except Exception as error:  # noqa: BLE001 - logged and tried again; one event's failure must not stop the rest
                self._trouble.met(recorded.event.id, error)
                pause = _AFTER_TROUBLE_SECONDS
            if pause is None:
                self._trouble.over(recorded.event.id)
                queue.waiting.remove(recorded)
                self.in_hand.discard(recorded.event.id)
                self._on_record.discard(recorded.event.id)
                self._failed_at.pop(recorded.event.id, None)
                self._finished(recorded)
            else:
                await self._pause(queue, recorded, pause)
        queue.is_served = False
        if not queue.waiting:
            del self._queues[order]

    async def _pause(self, queue: OrderQueue, failing: Recorded, seconds: float) -> None:
        """Wait until the next attempt is due, another event comes first, the endpoint answers, or the turn ends."""
        until = time.monotonic() + seconds
        available = self._available.pop(failing.event.id, asyncio.Event())
        while queue.waiting[0] is failing and not self._ending.is_set():
            if queue.let_pass(self._subscription.may_overtake):
                return
            left = until - time.monotonic()
            if left <= 0 or available.is_set():
                return
            queue.news.clear()
            waiting = [asyncio.create_task(event.wait()) for event in (queue.news, self._ending, available)]
            await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()

    async def _attempt(self, recorded: Recorded) -> float | None:
        """Make one attempt. None when the event is finished; else the seconds to wait before the next attempt."""
        name, event, progress = self._subscription.name, recorded.event, self._progress
        try:
            async with self._pool.free:
                if self._ending.is_set():
                    return 0  # not started
                await self._pool.run(recorded)
        except Exception as raised:  # noqa: BLE001 - a handler may raise anything; it is recorded, then retried or dead
            reaction, error = reaction_and_cause(raised)
            now = time.monotonic()
            seconds = now - self._failed_at.get(event.id, now)
            self._failed_at[event.id] = now
            failure = await asyncio.to_thread(progress.failed, name, recorded, described(error), reaction, seconds)
            self._on_record.add(event.id)
            retry_policy = self._subscription.retry_policy(event)
            if failure.state is not FailureState.RETRYING:
                return None  # it became a dead letter, or was discarded, meanwhile
            if not isinstance(error, NonRetryable) and failure.tried_seconds < retry_policy.give_up_after:
                self._trouble.met(event.id, error, **_about(failure))
                if isinstance(error, Unavailable):
                    self._available[event.id] = self._pool.is_unavailable(event.id)
                return retry_policy.pause(failure.attempts)
            await self._mark_dead(failure)
        else:
            if event.id in self._on_record:
                await asyncio.to_thread(progress.settle, name, event.id)
            self._pool.is_available(event.id)
        self._handled()
        return None

    async def _mark_dead(self, failure: DeliveryFailure) -> None:
        """Publish before recording: a process that dies in between publishes again, so the event is never missing."""
        event = failure.recorded.event
        _log.error("%s: %s is a dead letter: %s", failure.consumer, event.id, failure.error, extra=_about(failure))
        of_order = await self._bus.of(event.correlationid)
        try:
            notice = self._subscription.on_dead_letter(failure, of_order)
            if notice:
                await self._bus.append([notice])
        except BusDown:
            raise
        except Exception as error:  # noqa: BLE001 - logged; the event still becomes a dead letter, which is seen
            _log.error("%s: nothing is published about %s: %s", failure.consumer, event.id, described(error))
        await asyncio.to_thread(self._progress.mark_dead, failure.consumer, event.id)
        self.set_aside.add(event.id)


def _about(failure: DeliveryFailure) -> dict[str, object]:
    """The fields for structured logs."""
    about: dict[str, object] = {"consumer": failure.consumer, "order": failure.recorded.event.correlationid}
    return about | {"reaction": failure.reaction, "attempt": failure.attempts}
