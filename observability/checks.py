"""Checks and samples: asks the parts of the system concurrently, each with a deadline."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar

from kernel.trouble import described

T = TypeVar("T")

TIMEOUT_SECONDS = 5.0

Question = Callable[[], Coroutine[Any, Any, T]]


class Inquiry(Generic[T]):
    """Asks named parts, all at once. A part that has not answered yet is not asked a second time."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[T]] = {}

    async def ask(self, questions: Mapping[str, Question[T]]) -> tuple[dict[str, T], dict[str, str]]:
        """The answers, and, for each part without one, the reason."""
        answers, failures = dict[str, T](), dict[str, str]()

        async def ask(name: str, question: Question[T]) -> None:
            try:
                answers[name] = await self._answer(name, question)
            except TimeoutError:
                failures[name] = f"no answer within {TIMEOUT_SECONDS:g} s"
            except Exception as error:  # noqa: BLE001 - reported as this part's failure; the other parts still answer
                failures[name] = described(error)

        await asyncio.gather(*(ask(name, question) for name, question in questions.items()))
        return answers, failures

    async def _answer(self, name: str, question: Question[T]) -> T:
        if name not in self._under_way:
            self._under_way[name] = asyncio.create_task(question())
        task = self._under_way[name]
        done, _ = await asyncio.wait([task], timeout=TIMEOUT_SECONDS)
        if not done:
            raise TimeoutError
        self._under_way.pop(name, None)
        return task.result()
