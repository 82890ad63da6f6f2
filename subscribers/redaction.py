"""The public part of an event: webhooks and the audit log get nothing else.

Fields are removed by declaration: those that a contract declares private, at any depth, and those that this version
does not know. In texts by people or by older versions, what looks like a card token is masked; names and addresses in
such texts are not recognised.
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

# Other publishers, where they are part of the system; subscribers know only their events.
_BESIDE_SERVICES = ("choreography.events", "client.events")
_TOKEN = re.compile(r"\btok_\w+")


class UnknownEvent(Exception):
    """No event of this type is known here, so its private fields are unknown; a newer version may know them."""


def redacted(event: CloudEvent) -> CloudEvent:
    """The event without private fields, and without fields that this version does not know. Raises UnknownEvent."""
    _import_events()
    kinds = [kind for kind in _kinds(Event) if kind.type() == event.type]
    if not kinds:
        raise UnknownEvent(f"no event is called {event.type}; is this subscriber older than the event's publisher?")
    return event.model_copy(update={"data": _public(event.data, kinds)})


def masked(text: str) -> str:
    """The text with everything masked that looks like a card token."""
    return _TOKEN.sub("tok_…", text)


def without_data(event: CloudEvent) -> CloudEvent:
    """The event without its data: an inbox needs no more."""
    return event.model_copy(update={"data": {}})


def _public(value: Any, contracts: Sequence[type[Contract]]) -> Any:
    """The public part of a value that is one of these contracts, or a list of them; with none, of plain JSON."""
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
    """Import the events of all services, including new ones: an event is known once its class is defined."""
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
