"""Opens the services over their databases, each when it is first used."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from activities import activities_of
from kernel.database import Database
from kernel.environment import EnvironmentSettings, one_line
from kernel.errors import DatabaseDown, Outage, SettingsError
from kernel.service import Provider, Service, Wrap, unwrapped
from services import SERVICES
from settings import Settings

P = TypeVar("P")
S = TypeVar("S", bound=EnvironmentSettings)


class Services:
    """The opened services of one process.

    Args:
        wrap: a hook around every port that is opened, of services and of providers.
        for_reading: change no database, and create none that is missing.
    """

    def __init__(self, settings: Settings, wrap: Wrap = unwrapped, *, for_reading: bool = False) -> None:
        self._settings = settings
        self._wrap = wrap
        self.for_reading = for_reading
        self._databases: dict[str, Database] = {}
        self._opened: dict[str, Any] = {}
        self._locks: dict[str, threading.Lock] = {}  # one per service, since another one's database may not answer
        self._making = threading.Lock()

    def open(self, service: Service[P]) -> P:
        """The service behind its wrap. Raises DatabaseDown, SettingsError when it cannot be opened."""
        with self._locks.setdefault(service.name, threading.Lock()):
            if service.name not in self._opened:
                with self.usable(service.name):
                    self.database(service.name).migrate(service.migrations)
                    port = service.open(_Site(self, self._settings, service.name))
                    self._opened[service.name] = self._wrap(service.name, port)
            opened: P = self._opened[service.name]
            return opened

    def provider(self, provider: Provider[P]) -> P:
        with self.usable(provider.name):
            return self._wrap(provider.name, provider.open(_Site(self, self._settings, provider.name)))

    def open_all(self, names: Collection[str]) -> None:
        """Open the services of these names. Raises DatabaseDown, SettingsError."""
        for service in SERVICES:
            if service.name in names:
                self.open(service)

    def activities(self, service: Service[P]) -> Sequence[Callable[..., object]]:
        """The service's activities; they raise an outage until the service is opened."""
        port: P = cast(Any, _OnceOpen(self, service))
        return activities_of(service, port).all()

    def database(self, name: str) -> Database:
        """The database of a service, a provider, the bus or the consumers."""
        with self._making:
            if name not in self._databases:
                url, connections = self._settings.url_of(name), self._settings.database_connections
                self._databases[name] = Database(url, connections, for_reading=self.for_reading)
            return self._databases[name]

    @contextmanager
    def usable(self, name: str) -> Iterator[None]:
        """Names the database in its errors: DatabaseDown, or SettingsError for a folder that cannot be used."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            shown = make_url(self._settings.url_of(name)).render_as_string()  # without its password
            kind = DatabaseDown if isinstance(error, SQLAlchemyError) else SettingsError
            raise kind(f"the database of {name}, {shown}, cannot be used: {one_line(error)[:300]}") from None

    def close(self) -> None:
        for database in self._databases.values():
            database.close()


class _OnceOpen:
    """A service's port that is opened at its first call."""

    def __init__(self, services: Services, service: Service[Any]) -> None:
        self._services = services
        self._service = service

    def __getattr__(self, method: str) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            try:
                port = self._services.open(self._service)
            except DatabaseDown as down:
                raise Outage(f"the database of {self._service.name} does not answer yet") from down
            answer: object = getattr(port, method)(*arguments)
            return answer

        return call


class _Site:
    """A `kernel.service.Site`."""

    def __init__(self, services: Services, settings: Settings, name: str) -> None:
        self._services = services
        self._settings = settings
        self._name = name

    @property
    def database(self) -> Database:
        return self._services.database(self._name)

    def settings(self, kind: type[S]) -> S:
        return self._settings.of(kind)

    def provider(self, provider: Provider[P]) -> P:
        return self._services.provider(provider)
