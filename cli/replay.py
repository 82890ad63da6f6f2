"""Resets a consumer to a point of the archive, and waits until it has caught up."""

import asyncio
from collections.abc import Callable

from messaging.bus import PARTITIONS
from messaging.growth import forget_earlier
from messaging.subscription import Subscription
from wiring.bus import EventBus

_LOOK_SECONDS = 0.1
_BATCH = 500

Reached = Callable[[int, int], None]
"""Called with the number of events replayed so far, and their total."""


async def replay(events: EventBus, subscription: Subscription, after: int, reached: Reached) -> int:
    """Replay everything after this position, beside a worker or alone. Returns the number of events."""
    to_read = await _positions(events, after)
    reached(0, sum(map(len, to_read)))
    await _send_back(events, subscription, after)
    consumer = events.consumer(subscription, lambda: None)
    working = asyncio.create_task(consumer.run())
    try:
        while left := await asyncio.to_thread(_left, events, subscription.name, to_read):
            reached(sum(map(len, to_read)) - left, sum(map(len, to_read)))
            await asyncio.wait([working], timeout=_LOOK_SECONDS)
            if working.done():
                working.result()
    finally:
        consumer.stop()
        await asyncio.wait([working])
    reached(sum(map(len, to_read)), sum(map(len, to_read)))
    return sum(map(len, to_read))


async def _send_back(events: EventBus, subscription: Subscription, after: int) -> None:
    """Holds all partitions, so that no other process reads meanwhile."""
    consumer = events.consumer(subscription, lambda: None)
    async with consumer.all_partitions():
        if subscription.forget:
            await asyncio.to_thread(subscription.forget, after)
        for partition, position in events.progress.positions(subscription.name).items():
            if position > after:
                await asyncio.to_thread(events.progress.save, subscription.name, partition, after)
            await asyncio.to_thread(forget_earlier, events.progress, subscription.name, partition)


async def _positions(events: EventBus, after: int) -> list[list[int]]:
    """Of the events to replay, by partition."""
    positions: list[list[int]] = [[] for _ in range(PARTITIONS)]
    head = await events.bus.head()
    reader = await events.bus.read(None, after)
    try:
        while after < head and (batch := await reader.next(_BATCH, 1)):
            for recorded in batch:
                after = recorded.position
                if after <= head and recorded.partition in range(PARTITIONS):
                    positions[recorded.partition].append(after)
    finally:
        await reader.close()
    return positions


def _left(events: EventBus, name: str, to_read: list[list[int]]) -> int:
    reached = events.progress.positions(name)
    return sum(position > reached[partition] for partition, of in enumerate(to_read) for position in of)
