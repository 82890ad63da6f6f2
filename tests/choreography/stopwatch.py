"""A clock that never steps, which a test moves; and the deadlines of orders that are watched by it."""

from choreography.deadlines import Deadlines

STEP = 5.0  # seconds between two looks, as when the worker runs


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def watched(deadlines: Deadlines, clock: Stopwatch, seconds: float) -> None:
    """Look again and again, for this time."""
    await deadlines.look()
    until = clock.seconds + seconds
    while clock.seconds < until:
        clock.seconds = min(until, clock.seconds + STEP)
        await deadlines.look()
