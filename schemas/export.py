"""The documents of `docs/events/`: a JSON Schema (2020-12) for each event's data and for the envelope, and AsyncAPI."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from kernel.contracts import Contract, Event, contracts_in
from kernel.envelope import DATA_SCHEMA, CloudEvent
from schemas.asyncapi import asyncapi
from schemas.catalogue import event_types
from schemas.names import ASYNCAPI, ENVELOPE, FOLDER, PRIVATE, schema_file

Schema = dict[str, Any]


class _Untitled(GenerateJsonSchema):
    """Without titles for fields: their names are enough."""

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:
        return False


def documents() -> dict[str, str]:
    """Every document's text by its file name; the same code gives the same bytes."""
    found: dict[str, Schema] = {schema_file(kind): data_schema(kind) for kind in event_types()}
    found |= {ENVELOPE: envelope_schema(), ASYNCAPI: asyncapi()}
    return {name: _text(found[name]) for name in sorted(found)}


def data_schema(kind: type[Event]) -> Schema:
    """The schema of an event's published `data`. Its `$id` is the value of the envelope's `dataschema`."""
    schema = _schema(kind, DATA_SCHEMA.format(type=kind.type()))
    _mark_private(schema, kind, schema.get("$defs", {}))
    return schema


def _mark_private(schema: Schema, contract: type[Contract], definitions: dict[str, Schema]) -> None:
    for name, field in contract.model_fields.items():
        if name in contract.private:
            schema["properties"][name][PRIVATE] = True
        else:
            for inner in contracts_in(field.annotation):
                _mark_private(definitions[inner.__name__], inner, definitions)
    # Outside readers get the event without them, and validate it with the same schema.
    schema["required"] = [name for name in schema["required"] if name not in contract.private]


def envelope_schema() -> Schema:
    schema = _schema(CloudEvent, f"/{FOLDER}/{ENVELOPE}")
    schema["required"] = sorted(schema["properties"])  # fields with a default are published, too
    return schema


def _schema(model: type[Event] | type[CloudEvent], identifier: str) -> Schema:
    schema = model.model_json_schema(mode="serialization", schema_generator=_Untitled)
    for one in (schema, *schema.get("$defs", {}).values()):
        if "properties" in one:
            one["required"] = sorted(one.get("required", []))
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": identifier} | schema


def _text(document: Schema) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
