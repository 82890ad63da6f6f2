"""What of an event may leave our own services: webhooks and the audit log get this, and nothing else.

Fields go by their declaration: what a contract calls private, at any depth, and what this version does not know. In
texts that people or older versions wrote, what looks like a card's token is masked; a name or an address in them is not
known for one.
"""

import pkgutil
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import services
from kernel.contracts import Contract, Event, contracts_in
from kernel.envelope import CloudEvent

# Who else publishes, where it is part of the system; subscribers know them by their events alone.
_BESIDE_SERVICES = ("choreography.events", "client.events")
_TOKEN = re.compile(r"\btok_\w+")


class UnknownEvent(Exception):
    """No event of this type is known here, so nobody can say what of it is private; a newer version may know."""


def redacted(event: CloudEvent) -> CloudEvent:
    """The event without its private fields, nor any field that this version does not know. Raises UnknownEvent."""
    _import_events()
    kinds = [kind for kind in _kinds(Event) if kind.type() == event.type]
    if not kinds:
        raise UnknownEvent(f"no event is called {event.type}; is this subscriber older than who publishes it?")
    return event.model_copy(update={"data": _public(event.data, kinds)})


def masked(text: str) -> str:
    """The text, with what looks like a card's token made unknown."""
    return _TOKEN.sub("tok_…", text)


def without_data(event: CloudEvent) -> CloudEvent:
    """The event without data: enough for an inbox, which need not keep what its subscriber does not use."""
    return event.model_copy(update={"data": {}})


def _public(value: Any, contracts: Sequence[type[Contract]]) -> Any:
    """What may leave of a value that is one of these contracts, a list of them, or, with none, plain JSON."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [_public(one, contracts) for one in value]
    if not isinstance(value, dict):
        return value
    if not contracts:
        return {key: _public(one, ()) for key, one in value.items()}
    private = {name for contract in contracts for name in contract.private}
    fields: dict[str, list[type[Contract]]] = {}
    for contract in contracts:
        for name, field in contract.model_fields.items():
            fields.setdefault(name, []).extend(contracts_in(field.annotation))
    return {key: _public(value[key], fields[key]) for key in value if key in fields.keys() - private}


@cache
def _import_events() -> None:
    """Events are known once their class is made; those of services, a new one's too, are looked up here."""
    for package in pkgutil.iter_modules(services.__path__, "services."):
        name = f"{package.name}.events"
        if package.ispkg and find_spec(name):
            import_module(name)
    for name in _BESIDE_SERVICES:
        if find_spec(name.partition(".")[0]):
            import_module(name)


def _kinds(base: type[Event]) -> Iterator[type[Event]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
