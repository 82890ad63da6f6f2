"""What of an event may leave our own services: webhooks and the audit log get this, and nothing else."""

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import services
from kernel.contracts import Event
from kernel.envelope import CloudEvent


class UnknownEvent(Exception):
    """No event of this type is known here, so nobody can say what of it is private; a newer version may know."""


def redacted(event: CloudEvent) -> CloudEvent:
    """The event without its private fields, nor any field that this version does not know. Raises UnknownEvent."""
    _import_events()
    kinds = [kind for kind in _kinds(Event) if kind.type() == event.type]
    if not kinds:
        raise UnknownEvent(f"no event is called {event.type}; is this subscriber older than who publishes it?")
    known = {name for kind in kinds for name in kind.model_fields}
    private = {name for kind in kinds for name in kind.private}
    return event.model_copy(update={"data": {key: event.data[key] for key in event.data if key in known - private}})


def without_data(event: CloudEvent) -> CloudEvent:
    """The event without data: enough for an inbox, which need not keep what its subscriber does not use."""
    return event.model_copy(update={"data": {}})


@cache
def _import_events() -> None:
    """Events are known once their class is made; those of services, a new one's too, are looked up here."""
    for package in pkgutil.iter_modules(services.__path__, "services."):
        name = f"{package.name}.events"
        if package.ispkg and find_spec(name):
            import_module(name)


def _kinds(base: type[Event]) -> Iterator[type[Event]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
