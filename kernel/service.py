"""A service's declaration. Roles, queues, databases, faults, schemas and the audit are derived from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from kernel.books import Books
from kernel.contracts import Command, Contract, Event, FailureEvent, Undo, Undone
from kernel.database import Database
from kernel.environment import EnvironmentSettings
from kernel.errors import Refusal

P = TypeVar("P")
Q = TypeVar("Q")
S = TypeVar("S", bound=EnvironmentSettings)
T = TypeVar("T")
A = ParamSpec("A")

# A method of the port `P`, with any command.
Method = Callable[Concatenate[P, ...], object]


def bound(port: P, method: Callable[Concatenate[P, A], T]) -> Callable[A, T]:
    """The opened port's implementation of a protocol's method."""
    found: Callable[A, T] = getattr(port, method.__name__)
    return found


class Kind(StrEnum):
    """An operation's role in the saga."""

    STEP = "step"  # up to the pivot; may be refused or undone
    UNDO = "undo"  # undoes a step; must be done
    FORWARD = "forward"  # past the pivot; must be done
    NOTE = "note"  # keeps a record; the order does not wait for it


@dataclass(frozen=True)
class Operation(Generic[P]):
    """One verb of a service's port; made by `step`, `undo`, `forward` or `note`.

    Attributes:
        publishes: the events that it may publish when it is done.
        refusals: its own refusals; any operation may also raise those of `kernel.errors`.
        refused: the event that it publishes when it refuses, if any.
        undoes: the step that it undoes.
    """

    method: Method[P]
    kind: Kind
    publishes: tuple[type[Event], ...]
    refusals: tuple[type[Refusal], ...] = ()
    refused: type[FailureEvent] | None = None
    undoes: Method[P] | None = None

    @property
    def verb(self) -> str:
        return self.method.__name__

    @property
    def events(self) -> tuple[type[Event], ...]:
        """All events that it publishes, done or refused."""
        return (*self.publishes, self.refused) if self.refused else self.publishes


C = TypeVar("C", bound=Command)
R = TypeVar("R", bound=Contract)


def step(
    method: Callable[[P, C], R],
    *,
    publishes: tuple[type[Event], ...],
    refusals: tuple[type[Refusal], ...] = (),
    refused: type[FailureEvent] | None = None,
) -> Operation[P]:
    return Operation(method, Kind.STEP, publishes, refusals, refused)


def undo(
    method: Callable[[P, Undo], Undone],
    *,
    of: Callable[[P, C], R],
    publishes: tuple[type[Event], ...],
    refusals: tuple[type[Refusal], ...] = (),
) -> Operation[P]:
    return Operation(method, Kind.UNDO, publishes, refusals, undoes=of)


def forward(
    method: Callable[[P, C], R], *, publishes: tuple[type[Event], ...], refusals: tuple[type[Refusal], ...] = ()
) -> Operation[P]:
    return Operation(method, Kind.FORWARD, publishes, refusals)


def note(
    method: Callable[[P, C], R], *, publishes: tuple[type[Event], ...], refusals: tuple[type[Refusal], ...] = ()
) -> Operation[P]:
    return Operation(method, Kind.NOTE, publishes, refusals)


@dataclass(frozen=True)
class Provider(Generic[Q]):
    """An outside company behind a service, such as a card processor.

    Attributes:
        name: also the name of its database, if it is simulated.
        open: makes the adapter. To use a real provider, put its adapter here.
        verbs: the methods of its port that may fail, each with the error that it may raise.
    """

    name: str
    port: type[Q]
    open: Callable[["Site"], Q]
    verbs: tuple[tuple[Method[Q], type[Exception]], ...]


class Site(Protocol):
    """What a service or a provider gets when it is opened."""

    @property
    def database(self) -> Database:
        """Its own database, migrated; not migrated if only its books are read."""
        ...

    def settings(self, kind: type[S]) -> S:
        """The settings from the environment. Raises SettingsError."""
        ...

    def provider(self, provider: Provider[Q]) -> Q: ...


class Wrap(Protocol):
    """Wraps a port when it is opened. It is the only hook between a service and its callers."""

    def __call__(self, name: str, port: T, /) -> T: ...


def unwrapped(_name: str, port: T) -> T:
    return port


@dataclass(frozen=True)
class Service(Generic[P]):
    """One service.

    Attributes:
        name: the name of its folder, role, task queue, database and events' source.
        open: makes the service. It imports the implementation, so that a declaration alone does not load it.
        books: opens its books for some orders, on a database that may be read-only, and through its providers.
        settings: its settings, declared so that a wrong one is found before anything starts.
    """

    name: str
    port: type[P]
    open: Callable[[Site], P]
    operations: tuple[Operation[P], ...]
    books: Callable[[Site, Sequence[str]], Books]
    migrations: Path
    settings: type[EnvironmentSettings] | None = None
    providers: tuple[Provider[Any], ...] = ()  # each with a port of its own

    def operation(self, method: Method[P]) -> Operation[P]:
        """Raises LookupError for a method that is not declared."""
        found = next((one for one in self.operations if one.verb == method.__name__), None)
        if found is None:
            raise LookupError(f"{self.name} declares no operation {method.__name__}")
        return found

    @property
    def events(self) -> tuple[type[Event], ...]:
        """All events that it publishes, each once."""
        return tuple(dict.fromkeys(event for one in self.operations for event in one.events))
