"""The contracts between our own processes, which may run two versions at once: commands, replies, inputs and updates.

The rule is that of events: a field is only ever added, with a default, and nothing else changes. An older process
neither sends nor reads a new field; a required one would block a workflow's tasks, perhaps after the card was charged.
A field that is added to a service's command is not compared under its key (`Command.not_compared`): a retry by an older
process must not look like another request.
"""

import json
from collections.abc import Iterator
from inspect import isfunction
from typing import Any, get_type_hints

from kernel.contracts import Command, Contract, contracts_in
from schemas.compatibility import breaks
from schemas.normal import Schema
from services import SERVICES
from workflows.order_saga import OrderSaga

FILE = "docs/contracts.json"


def contracts() -> dict[str, Schema]:
    """By where it is used: `payments.charge command`, `payments.charge reply`, `saga.cancel command`."""
    found = dict[str, Schema]()
    for where, method in _methods():
        hints = get_type_hints(method)
        answer = hints.pop("return", None)
        of_command = {kind.__name__: kind for hint in hints.values() for kind in contracts_in(hint)}
        of_reply = {kind.__name__: kind for kind in contracts_in(answer)}
        found |= {f"{where} command {name}": _schema(kind) for name, kind in of_command.items()}
        found |= {f"{where} reply {name}": _schema(kind) for name, kind in of_reply.items()}
    return dict(sorted(found.items()))


def document() -> str:
    return json.dumps(contracts(), indent=1, sort_keys=True) + "\n"


def broken_contracts(old: str) -> list[str]:
    """What breaks an older process, or the reading of what one has recorded."""
    now, reasons = json.loads(document()), []
    for where, schema in json.loads(old or "{}").items():
        if where not in now:
            reasons.append(f"{where}: is gone, or has another name; a process of the release before still has it")
        else:
            found = (reason.replace("archived events", "older ones") for reason in breaks(schema, now[where]))
            reasons += [f"{where}: {reason}" for reason in found]
            reasons += [f"{where}: {reason}" for reason in _compared(where, schema, now[where])]
    return reasons


def _compared(where: str, old: Schema, new: Schema) -> Iterator[str]:
    """New fields of a service's command that are compared when it is sent again."""
    kind = _commands().get(where)
    if kind is None:
        return
    for field in sorted(new["properties"].keys() - old["properties"].keys() - set(kind.not_compared)):
        yield f"`{field}` is new and compared: a retry by an older process looks like another request (not_compared)"
    before = old.get("$defs", {})
    for name, part in new.get("$defs", {}).items():
        for field in sorted(part.get("properties", {}).keys() - before.get(name, part).get("properties", {}).keys()):
            yield f"`{field}` of {name} is new and compared: add it to the command itself, in its not_compared"


def _commands() -> dict[str, type[Command]]:
    """The commands of services only: a saga's inputs have no keys."""
    found = dict[str, type[Command]]()
    for where, method in _methods():
        for hint in get_type_hints(method).values():
            if isinstance(hint, type) and issubclass(hint, Command):
                found[f"{where} command {hint.__name__}"] = hint
    return found


def _methods() -> Iterator[tuple[str, Any]]:
    for service in SERVICES:
        for operation in service.operations:
            yield f"{service.name}.{operation.verb}", operation.method
    for name, method in vars(OrderSaga).items():
        if isfunction(method) and not name.startswith("_"):
            yield f"saga.{name}", method


def _schema(kind: type[Contract]) -> Schema:
    """Without fields that are never sent, such as the event that caused a command."""
    schema = kind.model_json_schema(mode="validation")
    for name, field in kind.model_fields.items():
        if field.exclude:
            del schema["properties"][name]
    used = json.dumps({key: value for key, value in schema.items() if key != "$defs"})
    while unused := [name for name in schema.get("$defs", {}) if f'/{name}"' not in used + json.dumps(schema["$defs"])]:
        for name in unused:
            del schema["$defs"][name]
    return schema
