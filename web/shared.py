"""A cached answer, shared by concurrent readers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Args: seconds: lifetime of an answer."""

    def __init__(self, ask: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._asking = asyncio.Lock()
        self._answer: tuple[float, T] | None = None

    async def get(self) -> T:
        async with self._asking:
            if self._answer is None or time.monotonic() - self._answer[0] > self._seconds:
                self._answer = time.monotonic(), await self._ask()
            return self._answer[1]

    def forget(self) -> None:
        """Invalidate the answer."""
        self._answer = None
