"""What a schema change breaks, in words.

Two kinds of readers must keep working: consumers made for the old schema, which read new events; and the new code,
which reads the old events of the archive. So an event may gain fields that no reader needs, and change in no other way.
A change that this check does not understand counts as breaking.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from schemas.names import ASYNCAPI, PRIVATE
from schemas.normal import NOTHING, NotUnderstood, Schema, alternatives, normal

_READERS_FAIL = "a consumer that reads it fails"
_READERS_SURPRISED = "a consumer that reads it does not expect that"
_ARCHIVE = "archived events may be otherwise"

_FLOORS = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"}
_CEILINGS = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"}
_LOOKED_AT = {"type", "enum", "properties", "required", "additionalProperties", "items", "default", PRIVATE}


def broken(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What breaks between two exports: documents by their file names."""
    return [reason for name in sorted(old) if name != ASYNCAPI for reason in _broken(name, old[name], new.get(name))]


def breaks(old: Schema, new: Schema) -> list[str]:
    """What breaks between two schemas of one event; empty if all readers keep working."""
    try:
        reasons = list(_compared(normal(old), normal(new), ""))
    except NotUnderstood as error:
        reasons = [f"{error}, so it is unknown which readers can handle the change"]
    return [f"{new.get('title', 'the event')}: {reason}" for reason in reasons]


def _broken(name: str, old: str, new: str | None) -> list[str]:
    if new is None:
        kind = name.partition(".")[0]
        return [f"{kind}: no longer published, or under another name; a consumer would wait for it in vain"]
    try:
        was = json.loads(old)
    except ValueError:
        return [f"{name} is no schema, so it is unknown what the change breaks"]
    return breaks(was, json.loads(new))


def _compared(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = alternatives(old), alternatives(new)
    for same in (_equal, _compatible(at)):
        before, after = _unpaired(before, after, same)
    if len(before) == len(after) == 1:
        yield from _changed(before[0], after[0], at)
        return
    for option in after:
        yield f"{_name(at)} may be {_kind(option)}; {_READERS_SURPRISED}"
    for option in before:
        yield f"{_name(at)} may not be {_kind(option)} any more; {_ARCHIVE}"


def _equal(old: Schema, new: Schema) -> bool:
    return old == new


def _compatible(at: str) -> Callable[[Schema, Schema], bool]:
    return lambda old, new: not any(_changed(old, new, at))


def _unpaired(
    old: Iterable[Schema], new: Iterable[Schema], same: Callable[[Schema, Schema], bool]
) -> tuple[list[Schema], list[Schema]]:
    """The alternatives without a counterpart on the other side."""
    gone, came = list(old), []
    for option in new:
        place = next((place for place, one in enumerate(gone) if same(one, option)), None)
        if place is None:
            came.append(option)
        else:
            del gone[place]
    return gone, came


def _changed(old: Schema, new: Schema, at: str) -> Iterator[str]:
    if old.get("type") != new.get("type"):
        yield _another_type(old.get("type"), new.get("type"), at)
        return
    yield from _values(old.get("enum"), new.get("enum"), at)
    yield from _fields(old, new, at)
    yield from _other_fields(old, new, at)
    yield from _compared(old.get("items", {}), new.get("items", {}), f"{at}[]")
    for key in sorted((old.keys() | new.keys()) - _LOOKED_AT):
        yield from _limit(key, old.get(key), new.get(key), at)


def _another_type(old: str | None, new: str | None, at: str) -> str:
    if new is None or (old, new) == ("integer", "number"):
        return f"{_name(at)} may be {new or 'anything'} instead of {old}; {_READERS_SURPRISED}"
    if old is None or (old, new) == ("number", "integer"):
        return f"{_name(at)} must be {new} instead of {old or 'anything'}; {_ARCHIVE}"
    return f"{_name(at)} is {new} instead of {old}; {_READERS_FAIL}"


def _values(old: list[Any] | None, new: list[Any] | None, at: str) -> Iterator[str]:
    if old is None and new is not None:
        yield f"{_name(at)} must be one of {json.dumps(new)}; {_ARCHIVE}"
    elif old is not None and new is None:
        yield f"{_name(at)} may be other than {json.dumps(old)}; {_READERS_SURPRISED}"
    elif old is not None and new is not None:
        for value in (value for value in new if value not in old):
            yield f"{_name(at)} may be {json.dumps(value)}; {_READERS_SURPRISED}"
        for value in (value for value in old if value not in new):
            yield f"{_name(at)} may not be {json.dumps(value)} any more; {_ARCHIVE}"


def _fields(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    always_before, always_after = _always(old), _always(new)
    for field in sorted(before.keys() | after.keys()):
        path = f"{at}.{field}" if at else field
        if field not in after:
            yield f"`{path}` is gone; {_READERS_FAIL}"
        elif field not in before:
            if field in always_after:
                yield f"`{path}` is new and has no default; archived events do not have it"
            yield from _taken_up(old, after[field], path)
        else:
            if field in always_before - always_after:
                yield f"`{path}` may be missing; {_READERS_FAIL}"
            if field in always_after - always_before:
                yield f"`{path}` must be there; archived events may not have it"
            yield from _read_by(before[field], after[field], path)
            if field not in always_before | always_after:
                yield from _stands_for(before[field], after[field], path)
            yield from _compared(before[field], after[field], path)


def _always(schema: Schema) -> set[str]:
    """The fields that every event has for those readers who may see them; no schema requires a private one."""
    fields = schema.get("properties", {})
    private = {field for field, its in fields.items() if its.get(PRIVATE) and "default" not in its}
    return private | set(schema.get("required", ()))


def _taken_up(old: Schema, field: Schema, path: str) -> Iterator[str]:
    """Readers treat a new field as any unknown one, if the old schema does not restrict those."""
    if old.get("additionalProperties") == NOTHING:
        yield f"`{path}` is new where nothing new is allowed; a consumer that checks that refuses the event"
    elif "additionalProperties" in old:
        yield from _compared(old["additionalProperties"], field, path)


def _read_by(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, after = bool(old.get(PRIVATE)), bool(new.get(PRIVATE))
    if after and not before:
        yield f"`{path}` is private now; a consumer outside our own services that reads it fails"
    if before and not after:
        yield f"`{path}` is not private any more, and would be published to outside systems; that needs a decision"


def _stands_for(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """A missing field means its default."""
    before, after = (json.dumps(one["default"]) if "default" in one else "nothing" for one in (old, new))
    if before != after:
        yield f"`{path}`, when missing, means {after} instead of {before}; archived events would say something else"


def _other_fields(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = old.get("additionalProperties", {}), new.get("additionalProperties", {})
    if before == after:
        return
    if after == NOTHING:
        yield f"{_name(at)} allows no other fields any more; archived events may have some"
    elif before != NOTHING:
        yield from _compared(before, after, f"{at}.*" if at else "*")
    elif "additionalProperties" in new:  # otherwise there are none yet: it only becomes possible to add one later
        yield f"{_name(at)} may have other fields; a consumer that allows none refuses the event"


def _limit(key: str, old: Any, new: Any, at: str) -> Iterator[str]:
    """Any other keyword: adding it allows less, removing it allows more, and changing it may do both."""
    if old == new:
        return
    before, after = ("none" if value is None else json.dumps(value) for value in (old, new))
    what = f"{_name(at)} has {key} {after} instead of {before}"
    comparable = key in _FLOORS | _CEILINGS and isinstance(old, int | float) and isinstance(new, int | float)
    if new is None or (comparable and (new < old) == (key in _FLOORS)):
        yield f"{what}; a consumer that relies on that fails"
    elif old is None or comparable:
        yield f"{what}; {_ARCHIVE}"
    else:
        yield f"{what}; a consumer that relies on that fails, and {_ARCHIVE}"


def _name(at: str) -> str:
    return f"`{at}`" if at else "the event"


def _kind(option: Schema) -> str:
    if "properties" in option:
        return f"an object with {', '.join(option['properties'])}"
    if "enum" in option:
        return f"one of {json.dumps(option['enum'])}"
    return str(option.get("type", "anything"))
