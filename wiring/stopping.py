"""How a program stops: a signal only requests it, and the program ends itself, once, however many signals arrive."""

import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_LOOK_SECONDS = 0.1

_asked: list[int] = []  # one for the process, as signals are


class Stopped(BaseException):
    """The program was asked to stop, and has stopped; the message names what goes on without it."""

    def __init__(self, number: int, text: str = "") -> None:
        super().__init__(text)
        self.number = number

    @property
    def exit_code(self) -> int:
        """As shells report it: 130 for Ctrl-C."""
        return 128 + self.number


@contextmanager
def listening() -> Iterator[None]:
    """For the block, signals are noted, and `run_until_stopped`, `check` and `pause` act on them.

    This includes SIGINT if the program started with it ignored, as a shell without job control starts background jobs.
    A nested block changes nothing.
    """
    is_outermost = signal.getsignal(signal.SIGINT) is not _note
    if not is_outermost or threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked.clear()
    is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heeded = [number for number in SIGNALS if number is not signal.SIGHUP or not is_nohup]
    before = {number: signal.signal(number, _note) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(number: int, _frame: FrameType | None) -> None:
    """Only note it: a handler may interrupt itself, so it must not take a lock that it may hold already."""
    _asked.append(number)


def is_asked_to_stop() -> bool:
    return bool(_asked)


def check() -> None:
    """Raises Stopped if the program was asked to stop."""
    if _asked:
        raise Stopped(_asked[0])


def pause(seconds: float) -> None:
    """Raises Stopped when the program is asked to stop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check()
        time.sleep(_LOOK_SECONDS)
    check()


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run this in an event loop; it is cancelled when the program is asked to stop. Raises Stopped then."""
    import asyncio  # takes a tenth of a second, which `--help` need not wait for

    async def until_stopped() -> T:
        working = asyncio.ensure_future(work)
        while not (await asyncio.wait([working], timeout=_LOOK_SECONDS))[0]:
            if _asked:
                working.cancel()  # once: a second cancellation would interrupt what the first one ends
                await asyncio.wait([working])
                check()
        return await working

    with listening():
        return asyncio.run(until_stopped())
