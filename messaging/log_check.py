"""Whether the log is the one that a consumer has read, and how it begins again with one that is not.

A log may be lost and created again, restored from an older backup, or truncated before all have read. Its
positions then mean other events, or none; a consumer that went on from a saved position would skip events silently.
"""

import asyncio

from messaging.bus import Bus, LogState, Mark, Reader, Recorded, WrongLog
from messaging.growth import catch_up, keep_rule
from messaging.progress import Progress
from messaging.subscription import Subscription

_BATCH = 500

_WAY_BACK = "'starter.py events republish', then 'starter.py events adopt --all'"


async def begin(bus: Bus, progress: Progress, subscription: Subscription, partition: int) -> tuple[int, Mark]:
    """The position to read on from, and what it belongs to; on record, if it is the first time.

    Raises:
        WrongLog: the position is of another log, or the next events are gone.
        BusDown: the log cannot be asked.
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
    if mark.log != state.id:  # nothing was read of another log; or release 0.1 did not note which it was
        mark = Mark(state.id, mark.position, mark.event_id)
        await asyncio.to_thread(progress.save, name, partition, position, mark)
    await catch_up(bus, progress, subscription, partition, position)
    return position, mark


async def check(bus: Bus, position: int, mark: Mark, state: LogState) -> None:
    """Raises WrongLog when reading on from this position would pass over something; BusDown."""
    if mark.log not in ("", state.id) and (position or mark.event_id):
        raise _wrong("it was lost, and another was made in its place")
    if max(position, mark.position) > state.head:
        raise _wrong("it ends before what was read already, as an older backup does")
    if mark.event_id and mark.position >= state.first and await bus.id_at(mark.position) != mark.event_id:
        raise _wrong("it has another event where one was read already, as an older backup has that was written on")
    if position + 1 < state.first:
        raise _wrong("its oldest events are gone, some of them perhaps before they were read")


async def problem(bus: Bus, progress: Progress, consumer: str) -> str:
    """What is wrong between this consumer and the log, if anything. Raises BusDown."""
    _, found = await _problems(bus, progress, consumer)
    return next(iter(found.values()), "")


async def adopt(bus: Bus, progress: Progress, subscription: Subscription) -> int:
    """Have the consumer begin again, where its positions are not of this log; how many partitions that are.

    It begins with the first event of the log, and its inbox absorbs what it knows. One that began with what was newest
    goes on behind the last event that it read, if this log has it. Nobody may read for it meanwhile. Raises BusDown.
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
    return WrongLog(f"the log of events is not as it was read: {why}. Nothing is skipped; the way back: {_WAY_BACK}")
