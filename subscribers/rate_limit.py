"""A cap on how often something is done."""

import threading
import time
from collections.abc import Callable


class RateLimit:
    """At most `per_second` times a second, evenly spaced, over all threads of this process; each process has its limit.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next = clock()
        self._mutex = threading.Lock()

    def wait(self) -> None:
        """Block until it is this caller's turn."""
        with self._mutex:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._interval
        if turn > now:
            self._sleep(turn - now)
