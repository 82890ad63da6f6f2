"""Opens the databases and the services' books for reading: each as it is at one moment."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kernel.books import Books
from kernel.contracts import Policy
from kernel.database import Database
from kernel.environment import EnvironmentSettings, one_line
from kernel.errors import ServiceError, SettingsError
from kernel.service import Provider, Service

Q = TypeVar("Q")
S = TypeVar("S", bound=EnvironmentSettings)


class Sources(Protocol):
    """Where the books are, and by which policy they are judged: the program's settings, as far as the audit needs them.

    `url_of` gives the database of a service or a provider, `of` a service's own settings.
    """

    @property
    def policy(self) -> Policy: ...
    def url_of(self, name: str) -> str: ...
    def of(self, kind: type[S]) -> S: ...


@contextmanager
def reading(sources: Sources, name: str) -> Iterator[Connection]:
    """A database as it is at one moment. Raises SettingsError when it is not there or cannot be read."""
    with _readable(name), closing(Database(sources.url_of(name), for_reading=True)) as database, database.begin() as tx:
        yield tx


def read_books(sources: Sources, service: Service[Any]) -> Books:
    """The service's books as they are now. Raises SettingsError when something is not there or cannot be read."""
    with ExitStack() as opened, _readable(service.name):
        return service.books(_ReadingSite(sources, service.name, opened))


class _ReadingSite:
    """A `kernel.service.Site` where nothing is written, and whose databases are opened when they are asked for."""

    def __init__(self, sources: Sources, name: str, opened: ExitStack) -> None:
        self._sources = sources
        self._name = name
        self._opened = opened

    @property
    def database(self) -> Database:
        with _readable(self._name):
            database = Database(self._sources.url_of(self._name), for_reading=True)
            self._opened.callback(database.close)
            with database.begin():  # one that does not answer is found here, where its name is known
                return database

    def settings(self, kind: type[S]) -> S:
        return self._sources.of(kind)

    def provider(self, provider: Provider[Q]) -> Q:
        return provider.open(_ReadingSite(self._sources, provider.name, self._opened))


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        raise SettingsError(f"the books of {name} cannot be read: {one_line(error)[:200]}; ask again later") from None
    except (SQLAlchemyError, OSError, ValueError) as error:
        raise SettingsError(
            f"the database of {name} cannot be read: {one_line(error)[:200]}; start a worker first ('make up')"
        ) from None
