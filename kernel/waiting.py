"""A wait that an event can end early."""

import asyncio
from contextlib import suppress


async def is_set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for the event, for at most `seconds` (None: no limit). Returns whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
