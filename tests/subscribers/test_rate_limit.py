from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from subscribers.rate_limit import RateLimit


class Stopwatch:
    """Time passes for the one that sleeps, and only then; each keeps the moment at which it woke up."""

    def __init__(self) -> None:
        self.now = 0.0
        self.woke_at: list[float] = []
        self._mutex = Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._mutex:
            self.woke_at.append(self.now + seconds)


def busiest_second(moments: list[float]) -> int:
    return max(sum(start <= moment < start + 1 for moment in moments) for start in moments)


@pytest.mark.parametrize("per_second", [0.5, 1, 8, 64])
def test_no_second_has_more_than_its_share_by_any_caller(per_second: float) -> None:
    stopwatch = Stopwatch()
    rate_limit = RateLimit(per_second, stopwatch, stopwatch.sleep)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: rate_limit.wait(), range(100)))
    began = [0.0, *stopwatch.woke_at]  # the first one does not wait
    assert len(began) == 100
    assert busiest_second(began) <= max(1, per_second)


def test_who_comes_late_does_not_wait_and_has_saved_nothing_up() -> None:
    stopwatch = Stopwatch()
    rate_limit = RateLimit(2, stopwatch, stopwatch.sleep)
    rate_limit.wait()
    stopwatch.now = 60
    rate_limit.wait()
    assert stopwatch.woke_at == []
    for _ in range(4):
        rate_limit.wait()
    assert stopwatch.woke_at == [60.5, 61, 61.5, 62]
