"""Whatever changes in a schema: if the check lets it pass, every reader can read every event."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.compatibility import breaks

Schema = dict[str, Any]


def objects(fields: dict[str, Schema], required: set[str], others: Schema | bool | None) -> Schema:
    schema: Schema = {"type": "object", "properties": fields, "required": sorted(required & fields.keys())}
    return schema if others is None else schema | {"additionalProperties": others}


LEAVES: st.SearchStrategy[Schema] = st.one_of(
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    st.builds(lambda values: {"enum": sorted(values)}, st.sets(st.sampled_from("abc"), min_size=1)),
    st.sampled_from(
        [{"type": "integer"}, {"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]
    ),
)
OTHERS = st.sampled_from([None, None, False, {"type": "integer"}, {"type": "string"}])
NAMES = st.sampled_from(["a", "b", "c"])
SCHEMAS: st.SearchStrategy[Schema] = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds(objects, st.dictionaries(NAMES, parts, max_size=3), st.sets(NAMES), OTHERS),
        st.builds(lambda part: {"type": "array", "items": part}, parts),
        st.builds(lambda options: {"anyOf": options}, st.lists(parts, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


@st.composite
def changed(draw: st.DrawFn, schema: Schema) -> Schema:
    """The schema, with a change somewhere in it."""
    inner = [key for key in ("properties", "items", "anyOf") if schema.get(key)]
    if not inner or draw(st.booleans()):
        if schema.get("type") != "object":
            return draw(SCHEMAS)
        fields = draw(st.dictionaries(NAMES, SCHEMAS, max_size=2)) | schema["properties"]
        if draw(st.booleans()):
            fields.pop(draw(NAMES), None)
        required = set(schema["required"]) ^ draw(st.sets(NAMES, max_size=1))
        return objects(fields, required, draw(OTHERS))
    key = inner[0]
    part = schema[key]
    if key == "items":
        return schema | {key: draw(changed(part))}
    if key == "anyOf":
        place = draw(st.integers(0, len(part) - 1))
        return schema | {key: [*part[:place], draw(changed(part[place])), *part[place + 1 :]]}
    name = draw(st.sampled_from(sorted(part)))
    return schema | {key: part | {name: draw(changed(part[name]))}}


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """What a publisher with this schema publishes."""
    if "anyOf" in schema:
        return st.one_of([values(option) for option in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    of_type: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "integer": lambda: st.integers(schema.get("minimum"), schema.get("maximum")),
        "number": lambda: st.floats(allow_nan=False, allow_infinity=False),
        "string": lambda: st.text("ab", min_size=schema.get("minLength", 0), max_size=schema.get("maxLength")),
        "boolean": st.booleans,
        "null": st.none,
        "array": lambda: st.lists(values(schema["items"]), max_size=2),
        "object": lambda: objects_of(schema),
    }
    return of_type[schema["type"]]()


def objects_of(schema: Schema) -> st.SearchStrategy[Any]:
    fields, others = schema["properties"], schema.get("additionalProperties")
    found = {name: values(its) for name, its in fields.items()}
    optional = {name: found[name] for name in fields if name not in schema["required"]}
    if others:
        optional |= {name: values(others) for name in "abc" if name not in fields}
    return st.fixed_dictionaries({name: found[name] for name in schema["required"]}, optional=optional)


many_times = settings(max_examples=300, deadline=None, database=None)


@many_times
@given(st.data())
def test_after_a_change_that_passes_every_reader_can_read_every_event(data: st.DataObject) -> None:
    old = data.draw(SCHEMAS)
    new = data.draw(changed(old))
    if breaks(old, new):
        return
    assert Draft202012Validator(old).is_valid(data.draw(values(new))), "a consumer cannot read a new event"
    assert Draft202012Validator(new).is_valid(data.draw(values(old))), "the new code cannot read an archived event"


@many_times
@given(SCHEMAS)
def test_no_change_breaks_nothing(schema: Schema) -> None:
    assert breaks(schema, schema) == []


@many_times
@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda parts: (
            st.lists(parts)
            | st.dictionaries(
                st.sampled_from(["$ref", "anyOf", "enum", "items", "minimum", "properties", "required", "type"]), parts
            )
        ),
    )
)
def test_whatever_the_old_schema_has_become_the_check_has_an_answer(damaged: Any) -> None:
    breaks({"properties": {"total": damaged}}, {"properties": {"total": {"type": "integer"}}})
