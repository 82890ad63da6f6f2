"""Makes texts from outside safe to show on a terminal: control characters are escaped."""

import logging
import unicodedata
from types import TracebackType

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


_JOINERS = "\u200c\u200d"  # several scripts and many emoji need them


def is_text(character: str) -> bool:
    """Whether it is a letter, mark, digit, sign or space: no control, bidirectional or invisible character."""
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def visible(text: str) -> str:
    """The text with control, line-ending and invisible characters as visible escapes, such as `\\x1b`."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if is_text(character):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def visible_json(text: str) -> str:
    """A JSON document with control and invisible characters as JSON escapes; its line ends are kept."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


class VisibleFormatter(logging.Formatter):
    """Log lines for a terminal: one line for each record, and one for each line of a traceback."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overrides logging.Formatter
        return visible(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - overrides logging.Formatter
        return "\n".join(map(visible, super().formatException(ei).split("\n")))
