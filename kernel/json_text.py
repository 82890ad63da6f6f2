"""A strict parser for JSON that people write: orders, the catalogue, settings. Each error is one sentence.

What programs write for each other is read by pydantic instead.
"""

import codecs
import json
from collections.abc import Iterable
from typing import Any

_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_LARGEST = 2**63 - 1


class NotJson(ValueError):
    """The text gives the reason, in one sentence without a full stop."""


def text_of(raw: bytes) -> str:
    """Decode a file's content as UTF-8, without its byte order mark. Raises NotJson."""
    for mark, name in _OTHER_ENCODINGS.items():
        if raw.startswith(mark):
            raise NotJson(f"the text is {name}; save it as UTF-8")
    if b"\0" in raw[:200]:
        raise NotJson("not a text file in UTF-8: it has null characters, as UTF-16 has")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJson(f"not a text file: byte {error.start + 1} is not UTF-8") from None


def lines_of(text: str) -> Iterable[tuple[int, str]]:
    """The non-blank lines with their numbers. Only LF and CRLF end a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.rstrip("\r")


def parse(text: str) -> Any:
    """`json.loads`, strict. Raises NotJson, also for duplicate keys and for numbers beyond 64 bits."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant)
    except NotJson:
        raise
    except json.JSONDecodeError as error:
        line = f"line {error.lineno} " if "\n" in text else ""
        raise NotJson(f"not JSON: {error.msg}: {line}column {error.colno}") from None
    except RecursionError:
        raise NotJson("not JSON: it is nested too deep") from None
    except ValueError as error:
        raise NotJson(f"not JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotJson(f"the key '{twice[:80]}' occurs twice; keep one of them")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > _LARGEST:
        raise NotJson(f"the number {digits[:30]}{'...' if len(digits) > 30 else ''} is too large: more than 64 bits")
    return int(digits)


def _constant(name: str) -> float:
    raise NotJson(f"{name} is not a number in JSON")
