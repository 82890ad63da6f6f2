"""One order's events, and what reactions and the order's view derive from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, TypeVar

from choreography.events import AttentionNeeded, AttentionSettled, CancelRequested, OrderStalled
from kernel.contracts import Event, Style
from kernel.envelope import CloudEvent
from kernel.keys import Key
from kernel.service import Kind
from services import SERVICES
from services.orders.events import ENDS
from services.shipping.events import Shipped

E = TypeVar("E", bound=Event)

_OPERATIONS = [(f"{service.name}.{one.verb}", one) for service in SERVICES for one in service.operations]
_REFUSALS = dict.fromkeys(one.refused for _, one in _OPERATIONS if one.refused and one.refused not in ENDS)
# After any of these events an order is undone.
STOPS: tuple[type[Event], ...] = (CancelRequested, OrderStalled, *_REFUSALS)
_ENDS = {event.type() for event in ENDS}
_STOPS = {event.type() for event in STOPS}
# The steps that an event reports as done or undone: they need no operator any more.
_SETTLES: dict[str, set[str]] = {
    event.type(): {step for step, one in _OPERATIONS if event in one.publishes}
    for _, operation in _OPERATIONS
    if operation.kind is not Kind.NOTE
    for event in operation.publishes
}


class PublishedEvent(Protocol):
    """An event in either form: as it is on the bus, or as a service's inbox keeps it."""

    @property
    def type(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...


class Request(TypedDict):
    """What every command has."""

    key: str
    order_id: str
    style: Style
    cause: CloudEvent


@dataclass(frozen=True)
class OrderEvents:
    """The events of one order that a service has received, oldest first; the last is `cause`, which it reacts to.

    `step` is what the command does or undoes. The idempotency key is made of it, as in the orchestrated saga.
    """

    events: Sequence[PublishedEvent]
    cause: CloudEvent
    step: str

    def first(self, event: type[E]) -> E:
        return event.model_validate(self.published(event).data)

    def published(self, event: type[Event]) -> PublishedEvent:
        """The first event of this type, not validated. Raises LookupError."""
        for one in self.events:
            if one.type == event.type():
                return one
        raise LookupError(event.type())

    @property
    def request(self) -> Request:
        order_id = self.cause.correlationid
        return {
            "key": str(Key(order_id, self.step)),
            "order_id": order_id,
            "style": Style.CHOREOGRAPHY,
            "cause": self.cause,
        }


def stop_of(events: Iterable[PublishedEvent]) -> PublishedEvent | None:
    """The first event after which the order is to be undone."""
    return next((event for event in events if event.type in _STOPS), None)


def is_past_pivot(events: Iterable[PublishedEvent]) -> bool:
    """Whether the order can only go forward."""
    return any(event.type == Shipped.type() for event in events)


def has_ended(events: Iterable[PublishedEvent]) -> bool:
    return any(event.type in _ENDS for event in events)


def reason_of(event: PublishedEvent) -> str:
    """The reason for people to read. The event must have one."""
    reason: str = event.data["reason"]
    if event.type == CancelRequested.type():
        return ": ".join(filter(None, ["Cancelled by the customer", reason]))
    return reason


def problems_of(events: Iterable[PublishedEvent]) -> dict[str, str]:
    """What needs an operator, by step, without what was settled or done since.

    The step is empty if only a deadline has passed; any later event of a step replaces that entry.
    """
    problems: dict[str, str] = {}
    for event in events:
        if event.type == AttentionNeeded.type():
            step = event.data["step"]
            if step or not problems:
                problems.pop("", None)
                problems[step] = event.data["problem"]
        elif event.type == AttentionSettled.type():
            step = event.data["step"]
            problems = {stuck: problem for stuck, problem in problems.items() if step and stuck not in ("", step)}
        elif event.type in _SETTLES:
            problems = {step: problem for step, problem in problems.items() if step not in {"", *_SETTLES[event.type]}}
    return problems


def in_words(problems: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{step}: {problem}" if step else problem for step, problem in problems.items())
