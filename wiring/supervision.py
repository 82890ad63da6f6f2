"""Keeps a part of the worker running: a fault in it, even a bug, delays that part and ends nothing else."""

import asyncio
import logging
from contextlib import suppress

from kernel.trouble import Trouble
from wiring.bus_roles import Part

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_WORKS_AFTER_SECONDS = 5.0


class Supervised:
    """A part that is run again when it fails, after a pause, until it is stopped."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._name = type(part).__name__.lower()
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
                await running
            except Exception as error:  # noqa: BLE001 - logged; one part's failure must not stop the others
                self._trouble.met(self._name, error)
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
