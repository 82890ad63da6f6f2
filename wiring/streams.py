"""Standard output and error in any condition: closed, full, without a reader, or in an encoding without our marks."""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_NOWHERE = Path(os.devnull)
_PLAIN = {"✓": "+", "✗": "x", "…": "...", "–": "-", "×": "x", "→": "->"}


class Output(io.TextIOBase):
    """A stream to which writing never fails: what cannot be written is dropped, and `failure` has the reason.

    So a command whose reader has gone (`| head`) exits with the code of what it did, not of its last output.
    """

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
        self._stream = stream
        self.failure: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute
        return self._stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        if not self.failure:
            try:
                self._stream.write(text)
            except OSError as error:
                self._drop(error)
        return len(text)

    def flush(self) -> None:
        if not self.failure:
            try:
                self._stream.flush()
            except OSError as error:
                self._drop(error)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def _drop(self, failure: OSError) -> None:
        self.failure = failure
        with suppress(OSError), _NOWHERE.open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())  # for what is still in the stream's buffer


@contextmanager
def standard_streams() -> Iterator[Output]:
    """For the block, `sys.stdout` and `sys.stderr` are `Output`s; yields the first."""
    codecs.register_error("plain", _plain)
    # Otherwise the next file that is opened, such as a database, would get the closed descriptor.
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    out, err = (Output(stream if stream is not None else _NOWHERE.open("w")) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def reader_is_gone() -> bool:
    """Whether standard output has lost its reader: for a command that would not end by itself."""
    return isinstance(sys.stdout, Output) and sys.stdout.failure is not None


def lost_output(out: Output) -> str:
    """Why the output was not written; empty if it was. A reader that has seen enough is no failure."""
    failure = out.failure
    return "" if failure is None or failure.errno == errno.EPIPE else failure.strerror or str(failure)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or one.encode("unicode_escape").decode() for one in text), error.end
