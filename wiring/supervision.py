"""Keeps the parts of a worker running: a failure in one, even a bug, delays that part and ends no other."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from kernel.errors import DatabaseDown
from kernel.trouble import Trouble, described
from kernel.waiting import is_set_within

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_WORKS_AFTER_SECONDS = 5.0
_FIRST_ATTEMPT_SECONDS = 5.0


class Part(Protocol):
    """Something that works until it is stopped, and then finishes what is under way."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


class Parts:
    """The state of a worker's parts. `failing` has the reason for each part that does not work now, by name."""

    def __init__(self) -> None:
        self.failing: dict[str, str] = {}


class Supervised:
    """A part that is run again when it fails, after a pause, until it is stopped."""

    def __init__(self, part: Part, name: str = "", parts: Parts | None = None) -> None:
        self._part = part
        self._name = name or type(part).__name__.lower()
        self._parts = parts or Parts()
        self._trouble = Trouble(_log, self._name)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            running = asyncio.create_task(self._part.run())
            try:
                await asyncio.wait([running], timeout=_WORKS_AFTER_SECONDS)
                if not running.done():
                    self._trouble.over(self._name)
                    self._parts.failing.pop(self._name, None)
                await running
            except Exception as error:  # noqa: BLE001 - logged; one part's failure must not stop the others
                self._trouble.met(self._name, error)
                self._parts.failing[self._name] = described(error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE_SECONDS):
                        await self._stopping.wait()
            else:
                return
            finally:
                if not running.done():  # we are cancelled
                    running.cancel()
                    await asyncio.wait([running])

    def stop(self) -> None:
        self._stopping.set()
        self._part.stop()


class OnceMade:
    """Parts that are made once the databases that they need answer, and that run from then on.

    Args:
        make: runs in a thread; after an error, it is called again later.
        after: is made first; until then, only its error is reported.
    """

    def __init__(
        self, name: str, make: Callable[[], Sequence[Part]], parts: Parts, after: "OnceMade | None" = None
    ) -> None:
        self.name = name
        self._make = make
        self._parts = parts
        self._after = after
        self._made: list[Supervised] | None = None
        self.is_made = asyncio.Event()
        self._stopping = asyncio.Event()

    async def make(self) -> None:
        """Raises what making them raises."""
        if self._made is None:
            made = await asyncio.to_thread(self._make)
            self._made = [Supervised(part, self.name, self._parts) for part in made]
            self.is_made.set()

    async def run(self) -> None:
        """Run until `stop`, even if there is nothing to run any more."""
        while self._after and not self._after.is_made.is_set():
            if await is_set_within(self._stopping, _PAUSE_SECONDS / 10):
                return
        await self.make()
        if self._made and not self._stopping.is_set():
            await asyncio.gather(*(part.run() for part in self._made))
        await self._stopping.wait()

    def stop(self) -> None:
        self._stopping.set()
        for part in self._made or ():
            part.stop()


async def first_attempt(parts: Sequence[OnceMade]) -> None:
    """Make the parts whose databases answer now; the others are made when theirs do.

    Raises:
        SettingsError: a setting is wrong, so that waiting would not help.
    """
    attempts = [asyncio.create_task(part.make()) for part in parts]
    if not attempts:
        return
    for attempt in attempts:
        attempt.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is retried later
    done, _late = await asyncio.wait(attempts, timeout=_FIRST_ATTEMPT_SECONDS)
    for error in (attempt.exception() for attempt in attempts if attempt in done):
        if error and not isinstance(error, DatabaseDown):
            raise error
