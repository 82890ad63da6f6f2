"""Logs a repeated failure in two lines: one when it begins, and one when it is over."""

import asyncio
import logging
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from kernel.environment import one_line
from kernel.errors import ServiceError, UserError

_QUIET_SECONDS = 3.0
_FORESEEN = (UserError, ServiceError, OSError, SQLAlchemyError)  # others are bugs, logged with their place


@dataclass
class _Ongoing:
    since: float
    failures: int = 0
    places: set[str] = field(default_factory=set)
    ending: asyncio.TimerHandle | None = None


class Trouble:
    """The failures of one part, such as a consumer. Call it in an event loop only.

    Errors of one class in many places are one trouble. It is over once none of the places has had it for `quiet`
    seconds, so that a flapping error is not logged each time.

    Args:
        name: the part's name, with which the lines begin.
        quiet: in seconds.
    """

    def __init__(self, log: logging.Logger, name: str, quiet: float = _QUIET_SECONDS) -> None:
        self._log = log
        self._name = name
        self._quiet = quiet
        self._ongoing: dict[str, _Ongoing] = {}

    def met(self, place: str, error: BaseException, **about: object) -> None:
        """Something failed at this place, and will be retried. `about` is for structured logs."""
        kind = type(error).__name__
        if kind not in self._ongoing:
            self._ongoing[kind] = _Ongoing(time.monotonic())
            text = described(error) if isinstance(error, _FORESEEN) else f"{described(error)} at {_raised_at(error)}"
            self._log.warning("%s (%s): %s; retrying", self._name, place, text, extra=about)
        ongoing = self._ongoing[kind]
        ongoing.failures += 1
        ongoing.places.add(place)
        if ongoing.ending:
            ongoing.ending.cancel()
            ongoing.ending = None

    def over(self, place: str) -> None:
        """It works at this place again, or is given up."""
        for kind, ongoing in self._ongoing.items():
            if place in ongoing.places:
                ongoing.places.discard(place)
                if not ongoing.places:
                    ongoing.ending = asyncio.get_running_loop().call_later(self._quiet, self._end, kind)

    def _end(self, kind: str) -> None:
        ongoing = self._ongoing.pop(kind)
        seconds = time.monotonic() - ongoing.since
        self._log.info("%s: %s is over, after %.0f s and %d failures", self._name, kind, seconds, ongoing.failures)


def described(error: BaseException) -> str:
    """The error's class and text, in one line of at most 500 printable characters."""
    text = "".join(char if char.isprintable() else " " for char in f"{type(error).__name__}: {one_line(error)}")
    return " ".join(text.split())[:500]


def _raised_at(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
