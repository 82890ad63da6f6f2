"""`starter.py events consumers`: every consumer that there is, or that has ever read."""

import asyncio
from dataclasses import dataclass

from cli.archive import behind
from messaging.log_check import problem
from services import SERVICES
from wiring.bus import EventBus
from wiring.listening import all_subscriptions

_ELSEWHERE = "not in these settings"


@dataclass(frozen=True)
class ConsumerOnRecord:
    """One line of the list.

    Attributes:
        behind: how many events come after its positions; None for one that does not read the log, such as a relay.
        configured: whether these settings name it; another shell's may, such as a webhook's.
    """

    consumer: str
    behind: int | None
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
    """Those of these settings first. Raises SettingsError, BusDown, SQLAlchemyError."""
    progress = on_bus.progress
    dead = await asyncio.to_thread(progress.counts)
    subscribed = [one.name for one in await asyncio.to_thread(all_subscriptions, on_bus)]
    relays = [f"relay-{service.name}" for service in SERVICES]
    found = []
    for name in dict.fromkeys([*subscribed, *await asyncio.to_thread(progress.names)]):
        begun = await asyncio.to_thread(progress.begun, name)
        lag = None
        if begun or name in subscribed:
            lag = await behind(on_bus.bus, await asyncio.to_thread(progress.positions, name))
        wrong = await problem(on_bus.bus, progress, name)
        found.append(ConsumerOnRecord(name, lag, dead.get(name, 0), wrong, name in subscribed or name in relays))
    return found
