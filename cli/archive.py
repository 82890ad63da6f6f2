"""Looking things up in the log of events."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from cli.console import BadInput
from kernel.keys import Key
from messaging.bus import Bus, Entry, Unreadable
from messaging.subscription import Rule

_WINDOW = 1_000


def fits(rule: Rule, entry: Entry) -> bool:
    """Of what cannot be read, only the type is known that it is filed under."""
    return rule.may_fit(entry.type) if isinstance(entry, Unreadable) else rule.fits(entry.event)


async def newest(bus: Bus, rule: Rule, limit: int) -> list[Entry]:
    """Window by window, from the end of the log backwards."""
    found: list[Entry] = []
    end = await bus.head()
    while end > 0 and len(found) < limit:
        begin = max(0, end - _WINDOW)
        window = [one async for one in between(bus, begin, end) if fits(rule, one)]
        found, end = window + found, begin
    return found[-limit:]


async def between(bus: Bus, begin: int, end: int) -> AsyncIterator[Entry]:
    reader = await bus.read(None, begin)
    try:
        while True:
            batch = await reader.next(_WINDOW, 0)
            for recorded in batch:
                if recorded.position > end:
                    return
                yield recorded
            if not batch or batch[-1].position >= end:
                return
    finally:
        await reader.close()


async def find_event(bus: Bus, event: str) -> Entry:
    """By its id, or its position in the log. Raises BadInput."""
    found: Sequence[Entry]
    if event.isdecimal():
        reader = await bus.read(None, int(event) - 1)
        found = [one for one in await reader.next(1, 0) if one.position == int(event)]
        await reader.close()
    else:
        found = [one for one in await bus.of(Key.parse(event).order_id) if one.event.id == event]
    if not found:
        raise BadInput(f"there is no event {event}; 'starter.py events list' shows the newest")
    return found[0]


async def position(bus: Bus, start: str) -> int:
    """The position after which the reading begins."""
    if start.isdecimal():
        return max(0, int(start) - 1)
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        raise BadInput(f"--from {start}: give a position, or a time such as 2026-03-01T12:00:00Z") from None
    return await bus.before(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
