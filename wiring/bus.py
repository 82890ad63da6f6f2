"""Constructs the bus and its consumers."""

import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from kernel.database import Database
from kernel.errors import DatabaseDown, SettingsError
from kernel.service import Service
from messaging.bus import Bus
from messaging.consumer import Consumer
from messaging.locks import FileLocks, Locks, PostgresLocks
from messaging.progress import Progress
from messaging.relay import Relay
from messaging.sql_log import SqlLog
from messaging.subscription import Subscription
from settings import Settings
from wiring.order_records import RecordsOfOrders
from wiring.services import Services
from wiring.stopping import run_until_stopped

T = TypeVar("T")

_log = logging.getLogger(__name__)


class EventBus:
    """The bus of these settings, with its consumers' records and locks.

    Args:
        is_open: open it now; otherwise `open` does, since a database may not answer yet.

    Raises:
        DatabaseDown, SettingsError: a database cannot be opened.
    """

    def __init__(self, settings: Settings, services: Services, *, is_open: bool = True) -> None:
        self.settings = settings
        self.services = services
        self._subscribers: dict[str, Database] = {}
        self._opening = threading.Lock()
        self._is_open = False
        self._log: SqlLog | None = None
        with services.usable("bus"):
            self.bus = self._bus()
        with services.usable("consumers"):
            self.progress = Progress(services.database("consumers"))
        self.locks = self._locks()
        self.records = RecordsOfOrders(settings.url_of)
        if is_open:
            self.open()

    def open(self) -> None:
        """Bring the log and the consumers' records up to date, once. Raises DatabaseDown."""
        with self._opening:
            if self._is_open:
                return
            if self._log:
                with self.services.usable("bus"):
                    self._log.open()
            with self.services.usable("consumers"):
                self.progress.open()
            self._is_open = True

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    def database(self, name: str) -> Database:
        """A subscriber's own database: a file, or a schema in the PostgreSQL database `subscribers`.

        Raises DatabaseDown if it is only to be read, and is a file that does not exist.
        """
        if name not in self._subscribers:
            self._subscribers[name] = self._subscriber(name)
        return self._subscribers[name]

    def relay(self, service: Service[Any]) -> Relay:
        """The relay of this service's outbox. Raises DatabaseDown."""
        self.services.open(service)
        outbox = self.services.database(service.name)
        return Relay({service.name: outbox}, self.bus, self.locks, self.progress)

    def consumer(self, subscription: Subscription, handled: Callable[[], None]) -> Consumer:
        return Consumer(subscription, self.bus, self.progress, self.locks, handled)

    async def close(self) -> None:
        """Does not close the services' databases: their owner does."""
        await self.bus.close()
        self.locks.close()
        self.records.close()
        for database in self._subscribers.values():
            database.close()

    def _bus(self) -> Bus:
        if self.settings.bus_url:
            from messaging.nats.log import NatsLog  # where it is wanted: most run without it

            _log.info("the bus is at %s", self.settings.bus_url)
            return NatsLog(self.settings.bus_url, self.settings.bus_stream)
        self._log = SqlLog(self.services.database("bus"))
        return self._log

    def _locks(self) -> Locks:
        consumers = self.services.database("consumers")
        if consumers.is_sqlite:
            return FileLocks(self.settings.data_dir / "locks")
        return PostgresLocks(consumers.engine)

    def _subscriber(self, name: str) -> Database:
        database = Database(self.settings.url_of("subscribers"))
        schema = name.replace("-", "_")
        if database.is_sqlite:
            file = database.url.database or ""
            database.close()
            own = Path(file).with_name(f"{schema}.db")
            for_reading = self.services.for_reading
            if for_reading and not own.exists():
                raise DatabaseDown(f"there is no {own}; a worker with the role subscribers makes it")
            return Database(str(database.url.set(database=str(own))), for_reading=for_reading)
        with database.begin() as tx, suppress(SQLAlchemyError):
            tx.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        database.close()
        url = database.url.update_query_dict({"options": f"-csearch_path={schema}"})
        return Database(url.render_as_string(hide_password=False), self.settings.database_connections)


def bus_is_there(settings: Settings) -> bool:
    """Whether there is a log to read: a log in a file is created by the first worker, or with the first event."""
    if settings.bus_url:
        return True
    url = make_url(settings.url_of("bus"))
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


@asynccontextmanager
async def open_bus(settings: Settings, *, for_reading: bool = False) -> AsyncIterator[EventBus]:
    """The bus for a command. Raises SettingsError; for reading, also if there is no log: a missing one is not empty."""
    if for_reading and not bus_is_there(settings):
        raise SettingsError(
            f"there is no log of events at {settings.url_of('bus')}: no worker has run with these settings, "
            "or the file was lost; see DATA_DIR, and 'starter.py events republish'"
        )
    services = Services(settings, for_reading=for_reading)
    try:
        events = EventBus(settings, services)
        try:
            yield events
        finally:
            await events.close()
    finally:
        services.close()


def with_bus(settings: Settings, run: Callable[[EventBus], Awaitable[T]], *, for_reading: bool = False) -> T:
    """Run this with the bus, and close it."""

    async def opened() -> T:
        async with open_bus(settings, for_reading=for_reading) as events:
            return await run(events)

    return run_until_stopped(opened())
