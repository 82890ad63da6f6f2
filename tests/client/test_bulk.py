"""One decision on many things: nothing is left out, nothing done twice, and nothing stops the rest."""

from pathlib import Path

import pytest

from client.bulk import Journal, Summary, for_each
from client.errors import NotNow

ITEMS = [f"order-{number}" for number in range(6)]


class Operator:
    """Does it to each; dies at one of them, and is refused by another."""

    def __init__(self, folder: Path, dies_at: str = "", refused: str = "") -> None:
        self._folder = folder
        self._dies_at = dies_at
        self._refused = refused
        self.did: list[str] = []
        self.progress = 0

    async def act(self, item: str) -> None:
        if item == self._dies_at:
            raise KeyboardInterrupt
        if item == self._refused:
            raise NotNow("not now")
        self.did.append(item)

    async def run(self, what: str = "cancel") -> Summary:
        def advance() -> None:
            self.progress += 1

        journal = Journal(self._folder, what)
        return await for_each(
            ITEMS, str, self.act, per_second=1e6, failures=(NotNow,), journal=journal, progress=advance
        )


async def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    first = Operator(tmp_path, dies_at=ITEMS[3])
    with pytest.raises(KeyboardInterrupt):
        await first.run()
    second = Operator(tmp_path)
    summary = await second.run()
    assert first.did + second.did == ITEMS
    assert (summary.done, summary.before, summary.failed) == (3, 3, {})


async def test_another_decision_begins_at_its_own_beginning(tmp_path: Path) -> None:
    first, other = Operator(tmp_path, dies_at=ITEMS[3]), Operator(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        await first.run()
    await other.run("resolve")
    assert other.did == ITEMS


async def test_a_run_that_came_to_its_end_can_be_made_again(tmp_path: Path) -> None:
    for _ in range(2):
        operator = Operator(tmp_path)
        assert (await operator.run()).before == 0
        assert operator.did == ITEMS


async def test_one_failure_stops_no_other_and_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    operator = Operator(tmp_path, refused=ITEMS[2])
    summary = await operator.run()
    assert operator.did == [item for item in ITEMS if item != ITEMS[2]]
    assert summary.failed == {ITEMS[2]: "not now"}
    assert operator.progress == len(ITEMS)


async def test_it_keeps_to_its_rate(tmp_path: Path) -> None:
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("client.bulk.asyncio.sleep", sleep)
        operator, journal = Operator(tmp_path), Journal(tmp_path, "slowly")
        await for_each(ITEMS, str, operator.act, per_second=0.1, failures=(), journal=journal, progress=lambda: None)
    assert paused[0] == 0
    assert paused[-1] == pytest.approx(10 * (len(ITEMS) - 1), abs=5)
