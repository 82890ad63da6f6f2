"""Searches the log of events."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from cli.console import BadInput
from client.order_id import check_order_id
from kernel.keys import Key
from messaging.bus import Bus, Entry, Unreadable
from messaging.subscription import Rule

_WINDOW = 1_000
DIGITS = 18  # of the largest position, at most


def fits(rule: Rule, entry: Entry) -> bool:
    """An unreadable message is matched by the type that it is filed under."""
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


async def behind(bus: Bus, positions: dict[int, int]) -> int:
    """How many events come after these positions, of any type."""
    log = [one async for one in between(bus, min(positions.values()), await bus.head())]
    return sum(one.position > positions.get(one.partition, one.position) for one in log)


async def find_event(bus: Bus, event: str) -> Entry:
    """Find an event by its id, or its position in the log. Raises BadInput."""
    found: Sequence[Entry]
    if event.isascii() and event.isdecimal():
        found = []
        if len(event) <= DIGITS and 1 <= int(event) <= await bus.head():
            reader = await bus.read(None, int(event) - 1)
            found = [one for one in await reader.next(1, 0) if one.position == int(event)]
            await reader.close()
    else:
        order = check_order_id(Key.parse(event).order_id)
        found = [one for one in await bus.of(order) if one.event.id == event]
    if not found:
        raise BadInput(f"there is no event {event}; 'starter.py events list' shows the newest")
    return found[0]


async def position(bus: Bus, start: str) -> int:
    """The position after which the reading begins."""
    if start.isascii() and start.isdecimal():
        head = await bus.head()
        if len(start) > DIGITS or int(start) > max(head, 1):
            raise BadInput(
                f"--from {start[:40]}: the log ends at position {head}; a date is written with dashes: 2026-11-25"
            )
        return max(0, int(start) - 1)
    try:
        moment = datetime.fromisoformat(start)
        return await bus.before(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise BadInput(f"--from {start[:40]}: give a position, or a time such as 2026-03-01T12:00:00Z") from None
