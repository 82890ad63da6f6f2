"""Constructs the notifier of operators; nothing of it is imported unless it is configured."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from kernel.trouble import Trouble
from kernel.waiting import is_set_within
from messaging.locks import Locks, held
from settings import Settings
from subscribers.notifications import NotificationSettings
from subscribers.operators import NAME, ByMail, ByWebhook, Channel, Notifier, OperatorSettings
from wiring.attention import attention
from wiring.bus import EventBus
from wiring.clients import Clients
from wiring.services import Services
from wiring.supervision import OnceMade, Part, Parts, Supervised

_log = logging.getLogger(__name__)


class Operators:
    """Asks repeatedly what needs a person, until it is stopped; of several, one at a time does."""

    def __init__(self, settings: Settings, notifier: Notifier, locks: Locks, every: float) -> None:
        self._settings = settings
        self._notifier = notifier
        self._locks = locks
        self._every = every
        self._stopping = asyncio.Event()
        self._trouble = Trouble(_log, "notices to operators")

    async def run(self) -> None:
        clients = Clients(self._settings)
        try:
            while not self._stopping.is_set():
                async with held(self._locks, NAME) as is_ours:
                    if is_ours:
                        await self._look(clients)
                await is_set_within(self._stopping, self._every)
        finally:
            await clients.close()

    def stop(self) -> None:
        self._stopping.set()

    async def _look(self, clients: Clients) -> None:
        entries = await attention(self._settings, clients)
        failed = await asyncio.to_thread(self._notifier.look, entries, datetime.now(UTC))
        for channel in ("mail", "webhook"):
            if channel in failed:
                self._trouble.met(channel, failed[channel])
            else:
                self._trouble.over(channel)


@asynccontextmanager
async def notifying(settings: Settings, services: Services, parts: Parts) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Raises SettingsError."""
    wanted = settings.of(OperatorSettings)
    channels: list[Channel] = []
    if wanted.mail_to:
        mailer = settings.of(NotificationSettings).mailer(settings.data_dir / "mail" / NAME)
        channels.append(ByMail(mailer, wanted.mail_to))
    if wanted.webhook:
        channels.append(ByWebhook(wanted.webhook))
    if not channels:
        yield []
        return
    events = EventBus(settings, services, is_open=False)

    def make() -> Sequence[Part]:
        events.open()
        notifier = Notifier(events.database(NAME), channels)
        notifier.open()
        return [Operators(settings, notifier, events.locks, wanted.every)]

    made = OnceMade(NAME, make, parts)
    supervised = Supervised(made, NAME, parts)
    task = asyncio.create_task(supervised.run())
    try:
        yield [task]
    finally:
        supervised.stop()
        await asyncio.wait([task])
        await events.close()
