"""The bus as one AsyncAPI 3 document: which events each service publishes, and which it reacts to."""

from typing import Any

from choreography.reaction import Reaction
from choreography.reactions import REACTIONS
from kernel.contracts import Event
from kernel.envelope import DATA_SCHEMA
from kernel.service import Kind
from messaging.bus import PARTITIONS
from schemas.catalogue import SOURCES, event_types
from schemas.names import ENVELOPE, schema_file

Document = dict[str, Any]

_CHANNEL = "bus"
_DESCRIPTION = """\
The events of orders. Each is a CloudEvents 1.0 document in its JSON format, and its `data` has its own schema.

An event may be delivered more than once, with the same `source` and `id`. The events of one order are delivered in \
order. `correlationid` is the order, and `causationid` the event or command that caused the event. `style` is \
`orchestration` if a workflow decides what happens next, and `choreography` if the events themselves do; services \
react to the latter only. Fields marked `x-private` never leave our own services: webhooks and the audit log do not \
have them, so no schema requires them.

A type never changes in a way that breaks its readers. It may gain fields: ignore those that you do not know.
"""


def asyncapi() -> Document:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Order Saga's events", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": "application/cloudevents+json",
        "channels": {_CHANNEL: _channel()},
        "operations": _publishers() | _reactions() | _subscribers(),
        "components": {"messages": {kind.type(): _message(kind) for kind in event_types()}},
    }


def _channel() -> Document:
    types = [kind.type() for kind in event_types()]
    return {
        "title": "The bus",
        "description": "A log that keeps all events. On NATS, an event has this subject; the log in SQL has none.",
        "address": "{stream}.{partition}.{order}.{type}",
        "parameters": {
            "stream": {"description": "The setting `bus_stream`.", "default": "ORDER_SAGA"},
            "partition": {
                "description": "All events of one order are in one partition.",
                "enum": [str(number) for number in range(PARTITIONS)],
            },
            "order": {"description": "`correlationid`, with `~` for each dot."},
            "type": {
                "description": "The event's type.",
                "location": "$message.payload#/type",
                "enum": types,
            },
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in types},
    }


def _message(kind: type[Event]) -> Document:
    name = kind.type()
    fields = {
        "type": {"const": name},
        "dataschema": {"const": DATA_SCHEMA.format(type=name)},
        "data": {"$ref": schema_file(kind)},
    }
    return {
        "name": name,
        "title": name,
        **({"summary": " ".join(kind.__doc__.split())} if kind.__doc__ else {}),
        "contentType": "application/cloudevents+json",
        "correlationId": {"location": "$message.payload#/correlationid", "description": "The order."},
        "payload": {"allOf": [{"$ref": ENVELOPE}, {"properties": fields}]},
        "tags": [{"name": source} for source, kinds in SOURCES.items() if kind in kinds],
    }


def _publishers() -> Document:
    return {
        f"{source.lstrip('/')}_publishes": _operation("send", kinds, f"{source} publishes", f"`source` is {source}.")
        for source, kinds in SOURCES.items()
    }


def _reactions() -> Document:
    return {reaction.id: _reaction(reaction) for reaction in REACTIONS}


def _reaction(reaction: Reaction[Any, Any]) -> Document:
    service, events = reaction.service.name, " and ".join(reaction.types)
    how_often = "each time" if reaction.kind is Kind.NOTE else "once"
    summary = f"When {service} has received {events} of a choreographed order, it does {reaction.step}, {how_often}."
    return _operation("receive", reaction.after, reaction.step, summary) | {"tags": [{"name": f"/{service}"}]}


def _subscribers() -> Document:
    summary = "Each receives the types that it subscribes to, of orders of either style."
    return {"subscribers_receive": _operation("receive", tuple(event_types()), "Subscribers", summary)}


def _operation(action: str, kinds: tuple[type[Event], ...], title: str, summary: str) -> Document:
    channel = f"#/channels/{_CHANNEL}"
    return {
        "action": action,
        "title": title,
        "summary": summary,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{kind.type()}"} for kind in kinds],
    }
