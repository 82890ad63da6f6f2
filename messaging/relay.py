"""The relay publishes the events of the services' outboxes to the bus, in order.

It marks a row as published only after the bus has the event; a relay that dies in between publishes it again, under the
same id. An event that the bus refuses, or a row that is no event, becomes a dead letter of `relay-<service>`, and the
others go on.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Protocol

from kernel import outbox
from kernel.database import Storage
from kernel.envelope import CloudEvent
from kernel.trouble import Trouble, described
from kernel.waiting import is_set_within
from messaging.bus import Bus, EventRefused, Recorded, Unreadable, partition_of
from messaging.changes import Changes, Stamped, gathering
from messaging.failure import OWED
from messaging.locks import Locks, held
from messaging.progress import Progress
from messaging.quarantine import Quarantine

_log = logging.getLogger(__name__)

_BATCH = 100
_PAUSE_SECONDS = 0.05
_IDLE_PAUSE_SECONDS = 0.1
_GATHER_SECONDS = 0.1
_LONGEST_GATHER_SECONDS = 0.5
_QUEUE_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_AFTER_TROUBLE_SECONDS = 1.0


class Outbox(Storage, Stamped, Protocol):
    """A service's database."""


class Relay:
    """Relays these outboxes until it is stopped. With several relays, one at a time serves each outbox."""

    def __init__(self, outboxes: Mapping[str, Outbox], bus: Bus, locks: Locks, progress: Progress) -> None:
        self._outboxes = outboxes
        self._bus = bus
        self._locks = locks
        self._progress = progress
        self._trouble = {service: Trouble(_log, f"relay of {service}") for service in outboxes}
        self._stop = asyncio.Event()
        self._changes = {
            service: Changes(outbox, _PAUSE_SECONDS, _IDLE_PAUSE_SECONDS) for service, outbox in outboxes.items()
        }

    async def run(self) -> None:
        await asyncio.gather(*(self._serve(service) for service in self._outboxes))

    def stop(self) -> None:
        self._stop.set()
        self.nudge()

    def nudge(self) -> None:
        """Look at the outbox now: it may have new events."""
        for changes in self._changes.values():
            changes.nudge()

    async def _serve(self, service: str) -> None:
        while True:
            try:
                async with held(self._locks, f"relay-{service}") as is_ours:
                    if is_ours:
                        await self._relay(service)
                if not is_ours:
                    await is_set_within(self._stop, _QUEUE_SECONDS)
                if self._stop.is_set():
                    return
            except Exception as error:  # noqa: BLE001 - logged; one outbox's failure must not stop the others
                if self._stop.is_set():
                    return  # the rest stays in the outbox, for the next relay
                self._trouble[service].met(service, error)
                await is_set_within(self._stop, _AFTER_TROUBLE_SECONDS)

    async def _relay(self, service: str) -> None:
        """Run until it is stopped, and all events that were written before then are on the bus."""
        changes, requeued = self._changes[service], Changes(self._progress.database, _LOOK_SECONDS, _LOOK_SECONDS)
        looked_at = 0.0
        await self._look_for_the_newest(service)
        while True:
            stopping = self._stop.is_set()
            began = time.monotonic()
            changes.look()
            positions, events = await self._next(service)
            if positions:
                try:
                    await self._bus.append(events)
                    await asyncio.to_thread(self._published, service, positions)
                except EventRefused as refused:
                    of_id = dict(zip((one.id for one in events), positions, strict=True))
                    event = next(one for one in events if one.id == refused.event_id)
                    refused_one = Recorded(of_id[event.id], event)
                    await asyncio.to_thread(self._set_aside, service, refused_one, refused.why)
            elif stopping:
                return
            if not stopping and not positions:
                await changes.wait(_LOOK_SECONDS)
            elif not stopping and len(positions) < _BATCH:
                changes.found()
                await changes.gather(gathering(time.monotonic() - began, _GATHER_SECONDS, _LONGEST_GATHER_SECONDS))
            if time.monotonic() > looked_at + _LOOK_SECONDS and requeued.is_changed():
                looked_at = time.monotonic()
                requeued.look()
                await self._retry(service)
            self._trouble[service].over(service)

    async def _next(self, service: str) -> tuple[list[int], list[CloudEvent]]:
        """The oldest unpublished rows. A row that is no event is set aside."""
        limit = _BATCH
        while True:
            try:
                return await asyncio.to_thread(self._oldest, service, limit)
            except (ValueError, ArithmeticError) as error:
                if limit == 1:
                    await asyncio.to_thread(self._quarantine, service, described(error))
            limit = 1  # a row is damaged: take them one by one until it is passed

    def _quarantine(self, service: str, why: str) -> None:
        with self._outboxes[service].begin() as tx:
            position, correlation, text = outbox.oldest_as_text(tx)
        message = Unreadable(position, partition_of(correlation), text.encode(), why, correlation, type="")
        if Quarantine(self._progress).add(f"relay-{service}", message):
            _log.error("relay of %s: row %d of the outbox is no event: %s", service, position, why)
        with self._outboxes[service].begin() as tx:
            outbox.set_aside(tx, position)

    def _set_aside(self, service: str, recorded: Recorded, why: str) -> None:
        """Make it a dead letter. Its position is the one in the outbox."""
        name = f"relay-{service}"
        self._progress.failed(name, recorded, why)
        if self._progress.mark_dead(name, recorded.event.id):
            _log.error("%s: %s is a dead letter: %s", name, recorded.event.id, why)
        with self._outboxes[service].begin() as tx:
            outbox.set_aside(tx, recorded.position)

    async def _retry(self, service: str) -> None:
        """Publish the relay's dead letters that were requeued."""
        name = f"relay-{service}"
        for failure in await asyncio.to_thread(self._progress.failures, *OWED, consumer=name):
            try:
                await self._bus.append([failure.recorded.event])
            except EventRefused as refused:
                await asyncio.to_thread(self._set_aside, service, failure.recorded, refused.why)
            else:
                await asyncio.to_thread(self._published, service, [failure.recorded.position])
                await asyncio.to_thread(self._progress.settle, name, failure.id)

    async def _look_for_the_newest(self, service: str) -> None:
        """Check that the bus has the newest published event: this detects a lost bus that no consumer had read."""
        newest = await asyncio.to_thread(self._newest, service)
        if newest and newest.id not in {one.event.id for one in await self._bus.of(newest.correlationid)}:
            _log.error(
                "the bus lacks %s, which %s has published: it was lost, or restored from an older backup; "
                "'starter.py events republish' appends what is missing",
                newest.id,
                service,
            )

    def _newest(self, service: str) -> CloudEvent | None:
        with self._outboxes[service].begin() as tx:
            return outbox.newest_published(tx, f"/{service}")

    def _oldest(self, service: str, limit: int) -> tuple[list[int], list[CloudEvent]]:
        with self._outboxes[service].begin() as tx:
            return outbox.oldest(tx, f"/{service}", limit)

    def _published(self, service: str, positions: list[int]) -> None:
        with self._outboxes[service].begin() as tx:
            outbox.published(tx, positions)
