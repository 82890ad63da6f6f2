"""How a program is stopped: a signal only asks, and the program ends itself, once, however often it is asked."""

import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """The program was asked to stop, and has stopped what it did; the text says what goes on without it."""

    def __init__(self, number: int, text: str = "") -> None:
        super().__init__(text)
        self.number = number

    @property
    def exit_code(self) -> int:
        """As shells count it: 130 for Ctrl-C."""
        return 128 + self.number


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run this in an event loop; it is cancelled when the program is asked to stop. Raises Stopped then."""
    import asyncio  # a tenth of a second, which `--help` need not wait for

    return asyncio.run(_until_stopped(work))


async def _until_stopped(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    working = asyncio.ensure_future(work)
    asked: list[int] = []

    def ask(number: int) -> None:
        if not asked:  # a second cancellation would interrupt what the first one ends
            working.cancel()
        asked.append(number)

    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup's
                asyncio.get_running_loop().add_signal_handler(number, ask, number)
    try:
        return await working
    except asyncio.CancelledError:
        if not asked:
            raise
        raise Stopped(asked[0]) from None
