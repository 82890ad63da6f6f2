"""Texts from outside on somebody's terminal: they may say anything there, and do nothing."""

import logging
import unicodedata
from types import TracebackType

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


_JOINERS = "\u200c\u200d"  # words of several scripts, and many an emoji, are spelt with them


def is_text(character: str) -> bool:
    """Whether it is a letter, a mark, a digit, a sign or a space: nothing that acts, turns text around or hides."""
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def visible(text: str) -> str:
    """The text with all that acts on a terminal, ends a line or hides in it as a visible escape, such as `\\x1b`."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if is_text(character):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def visible_json(text: str) -> str:
    """A JSON document, its own line ends kept, with what acts on a terminal or hides there as JSON's escapes."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


class VisibleFormatter(logging.Formatter):
    """Log lines for a terminal: a record is one line, and a traceback its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overrides logging.Formatter
        return visible(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - overrides logging.Formatter
        return "\n".join(map(visible, super().formatException(ei).split("\n")))
