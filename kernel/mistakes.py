"""Says in a plain sentence what is wrong with a value that somebody gave: in an option, a file, a form or a setting."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

Location = tuple[int | str, ...]

_SENTENCES = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field; remove it",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "string_unicode": "must be text",
    "too_long": "must have at most {max_length} items",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}
# These say more than the form that a field must have.
_MORE_EXACT = {"missing", "value_error", "greater_than_equal", "less_than_equal", "string_too_long"}
# By the beginning of the error's type, such as `int_parsing` and `int_type`.
_KINDS = {
    "bool": "must be true or false",
    "dict": "must be an object, in braces",
    "model": "must be an object, in braces",
    "float": "must be a number",
    "int": "must be a whole number",
    "list": "must be a list, in brackets",
    "string": "must be text",
    "tuple": "must be a list, in brackets",
}
_NO_FORMS: Mapping[str, str] = MappingProxyType({})


def mistake(
    error: ValidationError, name: Callable[[Location], str] | None = None, forms: Mapping[str, str] = _NO_FORMS
) -> str:
    """The first mistake, as `name: sentence`, and how many more there are. It does not repeat the value.

    Args:
        name: how people know the field; by default `path`.
        forms: what a field must be, such as `two letters`, instead of a pattern or a type.
    """
    first, *others = error.errors(include_url=False, include_input=False)
    kind, location = first["type"], first["loc"]
    own = [one for one in others if one["loc"] != location[: len(one["loc"])]]  # a list of wrong items is wrong by them
    more = f" (and {len(own)} more)" if own else ""
    where = (name or path)(location)
    form = forms.get(str(location[-1])) if location and kind not in _MORE_EXACT else None
    sentence = f"must be {form}" if form else _sentence(kind, first["msg"], first.get("ctx", {}))
    return f"{where}{': ' if where else ''}{sentence}{more}"


def path(location: Location) -> str:
    """Such as `lines[0].quantity`."""
    found = ""
    for part in location:
        found += f"[{part}]" if isinstance(part, int) else f".{part}" if found else part
    return found


def variable(location: Location) -> str:
    """The environment variable, such as `POLICY__STEP_DEADLINE`, and the place in its JSON: `WEBHOOKS[0].name`."""
    names = [str(part).upper() for part in location]
    index = next((at for at, part in enumerate(location) if isinstance(part, int)), len(location))
    return "__".join(names[:index]) + path(location[index:])


def _sentence(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind in ("string_too_short", "too_short"):
        least = context["min_length"]
        what = "characters" if kind == "string_too_short" else "items"
        return "must not be empty" if least == 1 else f"must have at least {least} {what}"
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**context)
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return _KINDS.get(kind.partition("_")[0], message.replace("Input should be", "must be"))
