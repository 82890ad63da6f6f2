"""The base classes of all services' contracts: commands with an idempotency key, the undo, and events."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from kernel.envelope import CloudEvent


class Contract(BaseModel):
    """A value that crosses a boundary. It is immutable, and validation errors do not show its content.

    `private` names the fields that are for our own services only: they are neither sent outside nor logged.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    private: ClassVar[tuple[str, ...]] = ()


def contracts_in(annotation: object) -> Iterator[type[Contract]]:
    """The contracts that a field of this type may hold, such as `Money` for `Money | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Contract):
        yield annotation
    for argument in get_args(annotation):
        yield from contracts_in(argument)


# A duration; at most ten years, so that sums stay within the range of dates.
Seconds = Annotated[float, Field(gt=0, le=315_360_000)]


class Policy(Contract):
    """A saga's time limits, in seconds. They travel with the order, so a change of settings affects new orders only.

    A step without an answer within `step_deadline` is undone; an undo that failed for `undo_deadline` needs an
    operator; an order held for `review_deadline` is declined. `attempt_timeout` limits one attempt.
    """

    attempt_timeout: Seconds = 10
    step_deadline: Seconds = 600
    undo_deadline: Seconds = 3600
    review_deadline: Seconds = 86_400


class Steps(StrEnum):
    """Where the steps of an orchestrated order are tried first; recorded with the order at its start.

    In place: once, as a local activity of at most one second, and then through the service's task queue.
    """

    IN_PLACE = "in-place"
    QUEUE = "queue"


class Style(StrEnum):
    """Who decides what happens next to an order."""

    ORCHESTRATION = "orchestration"
    CHOREOGRAPHY = "choreography"


class Command(Contract):
    """A request to a service.

    `key` is the idempotency key, `<order_id>:<step>`: the same on every attempt. `cause` is the event that the command
    reacts to, in a choreography. Neither `cause` nor the fields in `not_compared` are part of the request's identity:
    a retry may have others.
    """

    not_compared: ClassVar[frozenset[str]] = frozenset()

    key: str
    order_id: str
    style: Style = Style.ORCHESTRATION
    cause: CloudEvent | None = Field(default=None, exclude=True, repr=False)

    def in_words(self) -> str:
        """One line for the order's timeline."""
        return ""


class Undo(Command):
    """Undo what was done under `key`; leave a tombstone if the key was never seen. `actor` is who decided it."""

    not_compared: ClassVar[frozenset[str]] = frozenset({"actor"})

    reason: str
    actor: str = ""

    def in_words(self) -> str:
        return self.reason


class Undone(Contract):
    """The answer to an undo: whether there was anything to undo."""

    had_effect: bool


class Event(Contract):
    """Something that happened, published to its consumers. The class name is the event's type; never rename it."""

    @classmethod
    def type(cls) -> str:
        return cls.__name__


class FailureEvent(Event):
    """A service refused a step; `reason` begins with the refusal's name."""

    reason: str


class UndoneEvent(Event):
    """A step is undone, and will not be done later; `had_effect` is whether there was anything to undo."""

    had_effect: bool
