"""`starter.py events consumers`: all configured consumers, and those with a recorded position or dead letter."""

import asyncio
from dataclasses import dataclass

from cli.archive import behind
from messaging.failure import OWED
from messaging.log_check import problem
from services import SERVICES
from wiring.bus import EventBus
from wiring.bus_attention import lags

_ELSEWHERE = "not in these settings"


@dataclass(frozen=True)
class ConsumerOnRecord:
    """One line of the list.

    Attributes:
        behind: how many events it has not handled; of one that these settings do not name, how many come after its
            positions; None for one that does not read the log, such as a relay.
        retrying: how many of them it has tried in vain, and tries again.
        configured: whether these settings name it; another shell's may, such as a webhook's.
    """

    consumer: str
    behind: int | None
    retrying: int
    dead_letters: int
    problem: str
    configured: bool

    @property
    def lag(self) -> str:
        return "?" if self.problem else "–" if self.behind is None else str(self.behind)

    @property
    def remark(self) -> str:
        return "" if self.configured else _ELSEWHERE


async def consumers_on_record(on_bus: EventBus) -> list[ConsumerOnRecord]:
    """The configured consumers come first. Raises SettingsError, BusDown, SQLAlchemyError."""
    progress = on_bus.progress
    dead = await asyncio.to_thread(progress.counts)
    relays = {f"relay-{service.name}" for service in SERVICES}
    found = [
        ConsumerOnRecord(one.consumer, one.behind, len(one.retrying), dead.get(one.consumer, 0), one.problem, True)
        for one in await lags(on_bus)
    ]
    subscribed = {one.consumer for one in found}
    for name in await asyncio.to_thread(progress.names):
        if name not in subscribed:
            owed = await asyncio.to_thread(progress.failures, *OWED, consumer=name)
            begun = await asyncio.to_thread(progress.begun, name)
            after = await behind(on_bus.bus, await asyncio.to_thread(progress.positions, name)) if begun else None
            wrong = await problem(on_bus.bus, progress, name)
            found.append(ConsumerOnRecord(name, after, len(owed), dead.get(name, 0), wrong, name in relays))
    return found
