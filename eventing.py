"""Where `worker.py` and `starter.py` get the bus, and those who listen to it, constructed and wired."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from choreography.deadlines import Deadlines, Limits
from choreography.reactions import REACTIONS
from choreography.reactor import Reactor
from composition import Shop, unusable
from messaging.bus import Bus
from messaging.consumer import Consumer
from messaging.locks import FileLocks, Locks, PostgresLocks
from messaging.progress import Progress
from messaging.relay import Relay
from messaging.sql_log import SqlLog
from messaging.subscription import Subscription
from services.database import Database
from settings import SERVICES, Settings


class Eventing:
    """The bus of these settings, and who reads it. Raises SettingsError when a database cannot be opened."""

    def __init__(self, settings: Settings, shop: Shop) -> None:
        self._settings = settings
        self._shop = shop
        self._subscribers: dict[str, Database] = {}
        try:
            self.bus = self._bus()
            self.progress = Progress(shop.database("consumers"))
            self.progress.open()
        except (SQLAlchemyError, OSError) as error:
            raise unusable("the bus", settings.url_of("bus"), error) from None
        self.locks = self._locks()

    @property
    def data_dir(self) -> Path:
        return self._settings.data_dir

    def database(self, name: str) -> Database:
        """A subscriber's own: a file beside the others, or a schema in the PostgreSQL database `subscribers`."""
        if name not in self._subscribers:
            self._subscribers[name] = self._subscriber(name)
        return self._subscribers[name]

    def relay(self) -> Relay:
        outboxes = {}
        for service in SERVICES:
            self._shop.service(service)
            outboxes[service] = self._shop.database(service)
        return Relay(outboxes, self.bus, self.locks)

    def reactions(self) -> list[Subscription]:
        """The services' part of the choreography."""
        policy = self._settings.policy
        return [
            Reactor(
                service,
                self._shop.service(service),
                self._shop.database(service),
                policy.step_deadline,
                policy.undo_deadline,
                REACTIONS,
            ).subscription()
            for service in SERVICES
        ]

    def subscriptions(self) -> list[Subscription]:
        """The periphery's."""
        from subscribers.table import SUBSCRIBERS  # imported here: most commands have no need of an HTTP client

        return [one for subscriber in SUBSCRIBERS for one in subscriber(self)]

    def consumer(self, subscription: Subscription, handled: Callable[[], None]) -> Consumer:
        return Consumer(subscription, self.bus, self.progress, self.locks, handled)

    def deadlines(self) -> Deadlines:
        policy = self._settings.policy
        limits = Limits(step=policy.step_deadline, undo=policy.undo_deadline, review=policy.review_deadline)
        return Deadlines(self._shop.service("orders"), self.bus, self.locks, limits)

    async def close(self) -> None:
        """The services' databases are closed by the shop."""
        await self.bus.close()
        self.locks.close()
        for database in self._subscribers.values():
            database.close()

    def _bus(self) -> Bus:
        if self._settings.bus_url:
            from messaging.nats_log import NatsLog  # imported here, since most run without it

            return NatsLog(self._settings.bus_url, self._settings.bus_stream)
        log = SqlLog(self._shop.database("bus"))
        log.open()
        return log

    def _locks(self) -> Locks:
        consumers = self._shop.database("consumers")
        if consumers.is_sqlite:
            return FileLocks(self._settings.data_dir / "locks")
        return PostgresLocks(consumers.engine)

    def _subscriber(self, name: str) -> Database:
        database = Database(self._settings.url_of("subscribers"))
        schema = name.replace("-", "_")
        if database.is_sqlite:
            file = database.url.database or ""
            database.close()
            return Database(str(database.url.set(database=str(Path(file).with_name(f"{schema}.db")))))
        with database.begin() as tx, suppress(SQLAlchemyError):
            tx.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        database.close()
        url = database.url.update_query_dict({"options": f"-csearch_path={schema}"})
        return Database(url.render_as_string(hide_password=False), self._settings.database_connections)
