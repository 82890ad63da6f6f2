"""What a service declares of itself, once: roles, queues, databases, faults, schemas and the audit read it."""

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

# A method of the port `P`, whatever its command is.
Method = Callable[Concatenate[P, ...], object]


def bound(port: P, method: Callable[Concatenate[P, A], T]) -> Callable[A, T]:
    """The opened port's own `method`: the one that is named is its protocol's, which does nothing."""
    found: Callable[A, T] = getattr(port, method.__name__)
    return found


class Kind(StrEnum):
    """What an operation is to an order."""

    STEP = "step"  # forward, and may be refused or taken back
    UNDO = "undo"  # takes a step back; must be done
    FORWARD = "forward"  # past the pivot; must be done
    NOTE = "note"  # keeps a record, and moves the order no further


@dataclass(frozen=True)
class Operation(Generic[P]):
    """One verb of a service's port; made by `step`, `undo`, `forward` or `note`.

    Attributes:
        publishes: what it may publish when it is done.
        refusals: how it may refuse; all operations may also answer with those of `kernel.errors`.
        refused: the event that is published with a refusal, if one is.
        undoes: the step that it takes back.
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
        """All that it publishes, done or refused."""
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
        name: of its database too, where it is simulated.
        open: gives the adapter; put a real one in its place here.
        verbs: the methods of its port that may fail, each with the refusal that it may raise.
    """

    name: str
    port: type[Q]
    open: Callable[["Site"], Q]
    verbs: tuple[tuple[Method[Q], type[Exception]], ...]


class Site(Protocol):
    """Where a service or a provider is opened."""

    @property
    def database(self) -> Database:
        """Its own, brought up to date; where only its books are read, as it is."""
        ...

    def settings(self, kind: type[S]) -> S:
        """As the environment says. Raises SettingsError."""
        ...

    def provider(self, provider: Provider[Q]) -> Q: ...


class Wrap(Protocol):
    """Wraps a port as it is opened: the one hook by which something outside gets between caller and service."""

    def __call__(self, name: str, port: T, /) -> T: ...


def unwrapped(_name: str, port: T) -> T:
    return port


@dataclass(frozen=True)
class Service(Generic[P]):
    """One service.

    Attributes:
        name: the same in every layer: of its folder, role, task queue, database and events' source.
        open: makes the service over its database; who only names a service loads nothing of its inside.
        books: reads what it has on record of some orders, from a database that may be for reading only, and through its
            providers.
        settings: its own settings, so that a wrong one is found before anything starts.
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
        """All that it publishes, each once."""
        return tuple(dict.fromkeys(event for one in self.operations for event in one.events))
