"""Opens the databases and the services' books for reading, each as of one moment."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kernel.books import Books, Finding
from kernel.contracts import Policy
from kernel.database import Database
from kernel.environment import EnvironmentSettings, one_line
from kernel.errors import ServiceError, SettingsError
from kernel.service import Provider, Service

Q = TypeVar("Q")
S = TypeVar("S", bound=EnvironmentSettings)


class Sources(Protocol):
    """Where the books are, and the policy that they are judged by: the part of the settings that the audit needs.

    `url_of` returns the database URL of a service or a provider; `of` returns a service's own settings.
    """

    @property
    def policy(self) -> Policy: ...
    def url_of(self, name: str) -> str: ...
    def of(self, kind: type[S]) -> S: ...


@contextmanager
def reading(sources: Sources, name: str) -> Iterator[Connection]:
    """A database as of one moment. Raises SettingsError if it is missing or cannot be read."""
    with _readable(name), closing(Database(sources.url_of(name), for_reading=True)) as database, database.begin() as tx:
        yield tx


class Reading:
    """The services' books, over databases that are opened once and closed at the end of the context."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._databases: dict[str, Database] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for database in self._databases.values():
            database.close()

    def books(self, service: Service[Any], orders: Sequence[str] = ()) -> Books:
        """The service's books of these orders, as they are now.

        Raises:
            SettingsError: a database is missing or cannot be read.
        """
        with _readable(service.name):
            return service.books(_ReadingSite(self, service.name), orders)

    def orders(self, service: Service[Any], since: int = 0) -> Iterator[str]:
        """As `Books.orders`. Raises SettingsError."""
        with _readable(service.name):
            yield from self.books(service).orders(since)

    def as_a_whole(self, service: Service[Any]) -> list[Finding]:
        """As `Books.as_a_whole`. Raises SettingsError."""
        with _readable(service.name):
            return list(self.books(service).as_a_whole())

    def database(self, name: str) -> Database:
        if name not in self._databases:
            with _readable(name):
                database = Database(self.sources.url_of(name), for_reading=True)
                self._databases[name] = database
                with database.begin():  # finds a database that does not answer here, where its name is known
                    pass
        return self._databases[name]


class _ReadingSite:
    """A `kernel.service.Site` for reading, whose databases are opened when they are first used."""

    def __init__(self, reading: Reading, name: str) -> None:
        self._reading = reading
        self._name = name

    @property
    def database(self) -> Database:
        return self._reading.database(self._name)

    def settings(self, kind: type[S]) -> S:
        return self._reading.sources.of(kind)

    def provider(self, provider: Provider[Q]) -> Q:
        return provider.open(_ReadingSite(self._reading, provider.name))


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except SettingsError:
        raise  # it names the database already
    except ServiceError as error:
        raise SettingsError(f"the books of {name} cannot be read: {one_line(error)[:200]}; ask again later") from None
    except (SQLAlchemyError, OSError, ValueError) as error:
        raise SettingsError(
            f"the database of {name} cannot be read: {one_line(error)[:200]}; start a worker first ('make up')"
        ) from None
