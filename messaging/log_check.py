"""Checks that the log is the one that a consumer has read, and lets the consumer start over on another log.

A log may be lost and created again, restored from an older backup, or truncated before all consumers have read it. Its
positions then refer to other events, or to none; a consumer that continued from a saved position would silently skip
events.
"""

import asyncio

from messaging.bus import Bus, LogState, Mark, Reader, Recorded, WrongLog
from messaging.growth import catch_up, keep_rule
from messaging.progress import Progress
from messaging.subscription import Subscription

_BATCH = 500

_RECOVERY = "'starter.py events republish', then 'starter.py events adopt --all'"


async def begin(bus: Bus, progress: Progress, subscription: Subscription, partition: int) -> tuple[int, Mark]:
    """The position to read on from, and what it refers to; both are saved the first time.

    Raises:
        WrongLog: the position belongs to another log, or the next events are gone.
        BusDown: the log does not answer.
    """
    name = subscription.name
    position = await asyncio.to_thread(progress.position, name, partition)
    state = await bus.state()
    if position is None:
        position, mark = _start(subscription, state), Mark(state.id)
        await asyncio.to_thread(progress.save, name, partition, position, mark)
        await asyncio.to_thread(keep_rule, progress, subscription, partition)
        return position, mark
    mark = (await asyncio.to_thread(progress.marks, name))[partition]
    await check(bus, position, mark, state)
    if mark.log != state.id:  # nothing was read from the former log, or release 0.1 did not record which it was
        mark = Mark(state.id, mark.position, mark.event_id)
        await asyncio.to_thread(progress.save, name, partition, position, mark)
    await catch_up(bus, progress, subscription, partition, position)
    return position, mark


async def check(bus: Bus, position: int, mark: Mark, state: LogState) -> None:
    """Raises WrongLog if reading on from this position would skip events; BusDown."""
    if mark.log not in ("", state.id) and (position or mark.event_id):
        raise _wrong("it was lost, and another was made in its place")
    if max(position, mark.position) > state.head:
        raise _wrong("it ends before what was read already, as an older backup does")
    if mark.event_id and mark.position >= state.first and await bus.id_at(mark.position) != mark.event_id:
        raise _wrong("an event that was read is another one now, as in an older backup that was appended to since")
    if position + 1 < state.first:
        raise _wrong("its oldest events are gone, some of them perhaps before they were read")


async def problem(bus: Bus, progress: Progress, consumer: str) -> str:
    """Why this consumer cannot read this log; empty if it can. Raises BusDown."""
    _, found = await _problems(bus, progress, consumer)
    return next(iter(found.values()), "")


async def adopt(bus: Bus, progress: Progress, subscription: Subscription) -> int:
    """Have the consumer start over where its position does not belong to this log; returns how many partitions that is.

    It starts at the first event of the log, and its inbox absorbs those that it has handled. A consumer that subscribed
    from the latest event resumes after the last event that it read, if this log has it. No process may read for this
    consumer meanwhile. Raises BusDown.
    """
    state, found = await _problems(bus, progress, subscription.name)
    marks = await asyncio.to_thread(progress.marks, subscription.name)
    for partition in found:
        position = _start(subscription, state)
        if subscription.from_latest and marks[partition].event_id:
            position = await _position_of(bus, partition, marks[partition].event_id) or position
        await asyncio.to_thread(progress.save, subscription.name, partition, position, Mark(state.id))
        await asyncio.to_thread(keep_rule, progress, subscription, partition)
    return len(found)


async def _problems(bus: Bus, progress: Progress, consumer: str) -> tuple[LogState, dict[int, str]]:
    begun = await asyncio.to_thread(progress.begun, consumer)
    marks = await asyncio.to_thread(progress.marks, consumer)
    state = await bus.state()
    found: dict[int, str] = {}
    for partition, position in begun.items():
        try:
            await check(bus, position, marks.get(partition, Mark()), state)
        except WrongLog as wrong:
            found[partition] = str(wrong)
    return state, found


def _start(subscription: Subscription, state: LogState) -> int:
    return state.head if subscription.from_latest else state.first - 1


async def _position_of(bus: Bus, partition: int, event_id: str) -> int | None:
    reader: Reader = await bus.read(partition, 0)
    try:
        while batch := await reader.next(_BATCH, 0):
            for recorded in batch:
                if isinstance(recorded, Recorded) and recorded.event.id == event_id:
                    return recorded.position
    finally:
        await reader.close()
    return None


def _wrong(why: str) -> WrongLog:
    return WrongLog(f"the log of events is not as it was read: {why}. Nothing is skipped; to recover, run {_RECOVERY}")
