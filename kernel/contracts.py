"""What all the services' contracts share: commands with a key, the undo, and events."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from kernel.envelope import CloudEvent


class Contract(BaseModel):
    """A value that crosses a boundary. Frozen: what was said stays said, and no error repeats it.

    `private` names the fields that are for our own services only: nobody outside gets them, and no log keeps them.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    private: ClassVar[tuple[str, ...]] = ()


def contracts_in(annotation: object) -> Iterator[type[Contract]]:
    """The contracts that a field of this type may hold, such as `Money` for `Money | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Contract):
        yield annotation
    for argument in get_args(annotation):
        yield from contracts_in(argument)


# A duration; ten years at most, so that a sum of them is still a date.
Seconds = Annotated[float, Field(gt=0, le=315_360_000)]


class Policy(Contract):
    """How patient a saga is, in seconds. It travels with the order, so a change of settings affects new orders only.

    A step that nobody answered within `step_deadline` is undone; an undo that failed for `undo_deadline` needs an
    operator; an order held for `review_deadline` is declined. `attempt_timeout` is one attempt's.
    """

    attempt_timeout: Seconds = 10
    step_deadline: Seconds = 600
    undo_deadline: Seconds = 3600
    review_deadline: Seconds = 86_400


class Steps(StrEnum):
    """Where the steps of an orchestrated order are tried first; recorded with the order at its start.

    In place: once, for at most a second, by the worker that runs the saga, and then through the service's task queue.
    """

    IN_PLACE = "in-place"
    QUEUE = "queue"


class Style(StrEnum):
    """Who decides what happens next to an order."""

    ORCHESTRATION = "orchestration"
    CHOREOGRAPHY = "choreography"


class Command(Contract):
    """A request to a service.

    `key` is the idempotency key, `<order_id>:<step>`: the same on every attempt, so that a retry is a repeat.
    `cause` is the event that it answers, if it is one that decides; it is no part of the request itself. Nor are the
    fields in `not_compared`: a repeat may have others.
    """

    not_compared: ClassVar[frozenset[str]] = frozenset()

    key: str
    order_id: str
    style: Style = Style.ORCHESTRATION
    cause: CloudEvent | None = Field(default=None, exclude=True, repr=False)

    def in_words(self) -> str:
        """One line for the person who reads the order's timeline."""
        return ""


class Undo(Command):
    """Take back what was done under `key`. For a key never seen it leaves a tombstone. `actor` is who decided so."""

    not_compared: ClassVar[frozenset[str]] = frozenset({"actor"})

    reason: str
    actor: str = ""

    def in_words(self) -> str:
        return self.reason


class Undone(Contract):
    """The answer to an undo: whether there was anything to take back."""

    had_effect: bool


class Event(Contract):
    """Something that happened, published to its consumers. The class' name is the event's type; never rename it."""

    @classmethod
    def type(cls) -> str:
        return cls.__name__


class FailureEvent(Event):
    """A step that will not happen: `reason` begins with the refusal's name."""

    reason: str


class UndoneEvent(Event):
    """What a service did is undone, and will not be done any more; `had_effect` is whether there was anything."""

    had_effect: bool
