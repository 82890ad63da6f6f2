"""Normalises schemas: two that allow the same values become equal, as far as pydantic's spellings of them differ."""

import json
from typing import Any

from schemas.names import PRIVATE

Schema = dict[str, Any]

NOTHING: Schema = {"not": {}}

_ANNOTATIONS = {"$comment", "$defs", "$id", "$schema", "deprecated", "description", "examples", "title"}
_ONE_SCHEMA = {"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"}
_SCHEMAS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_SCHEMAS_BY_NAME = {"dependentSchemas", "patternProperties", "properties"}
_SHAPES: dict[type, set[str]] = {dict: _SCHEMAS_BY_NAME, list: _SCHEMAS | {"enum", "required"}, str: {"$ref"}}


class NotUnderstood(Exception):
    """This check does not understand the schema, so it cannot judge it."""


def normal(schema: Schema) -> Schema:
    """The schema with its references resolved, and without descriptions. A recursive schema keeps its reference.

    Raises:
        NotUnderstood: a reference points to nothing in the schema.
    """
    return _normal(schema, schema, ())


def alternatives(schema: Schema) -> list[Schema]:
    """The alternatives that it allows; a schema of one type is its only alternative."""
    options = schema.get("anyOf")
    if not options:
        return [schema]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default", PRIVATE)}
    found = [one for option in options for one in alternatives(option)]
    if any(rest.keys() & one.keys() for one in found):
        return [schema]
    return [rest | one for one in found]


def _normal(schema: Any, root: Schema, inside: tuple[str, ...]) -> Schema:
    if isinstance(schema, bool):
        return {} if schema else NOTHING
    if not isinstance(schema, dict):
        raise NotUnderstood(f"{json.dumps(schema)} is no schema")
    said = {key: _part(key, value, root, inside) for key, value in schema.items() if _matters(key)}
    if "const" in said:
        said["enum"] = [said.pop("const")]
    if isinstance(said.get("type"), list) and "anyOf" not in said:
        said["anyOf"] = [{"type": one} for one in said.pop("type")]
    if "oneOf" in said and "anyOf" not in said:
        said["anyOf"] = said.pop("oneOf")
    reference = said.get("$ref")
    if reference is None or reference in inside:
        return said
    del said["$ref"]
    return _together(_normal(_target(reference, root), root, (*inside, reference)), said)


def _matters(key: str) -> bool:
    return key not in _ANNOTATIONS and (key == PRIVATE or not key.startswith("x-"))


def _part(key: str, value: Any, root: Schema, inside: tuple[str, ...]) -> Any:
    misshapen = any(key in keys and not isinstance(value, shape) for shape, keys in _SHAPES.items())
    if misshapen or (key == "required" and not all(isinstance(name, str) for name in value)):
        raise NotUnderstood(f"{key} {json.dumps(value)} is not as it should be")
    if key in _ONE_SCHEMA:
        return _normal(value, root, inside)
    if key in _SCHEMAS:
        return [_normal(one, root, inside) for one in value]
    if key in _SCHEMAS_BY_NAME:
        return {name: _normal(one, root, inside) for name, one in value.items()}
    return value


def _target(reference: str, root: Schema) -> Any:
    found: Any = root
    start, *path = reference.split("/")
    for key in path:
        found = found.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    if start != "#" or found is None:
        raise NotUnderstood(f"{reference} is not in the schema")
    return found


def _together(referred: Schema, beside: Schema) -> Schema:
    differ = any(referred[key] != beside[key] for key in (referred.keys() & beside.keys()) - {"default", PRIVATE})
    return {"allOf": [referred, beside]} if differ else referred | beside
