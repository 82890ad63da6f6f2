"""An outage is two lines in the log, however many meet it and however often."""

import asyncio
import logging

import pytest

from kernel.errors import Outage
from kernel.trouble import Trouble, described
from tests.logs import lines_of

_log = logging.getLogger("part")


async def said(caplog: pytest.LogCaptureFixture, count: int) -> list[str]:
    async with asyncio.timeout(10):
        while len(lines_of(caplog, "part")) < count:
            await asyncio.sleep(0.005)
    return lines_of(caplog, "part")


async def test_what_fails_a_thousand_times_in_many_places_is_logged_when_it_begins_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="part")
    trouble = Trouble(_log, "payments", quiet=0.02)
    for number in range(1_000):
        trouble.met(f"order-{number % 10}", Outage(f"no answer {number}"))
    for number in range(10):
        trouble.over(f"order-{number}")
    begun, ended = await said(caplog, 2)
    assert begun == "payments (order-0): Outage: no answer 0; retrying"
    assert ended == "payments: Outage is over, after 0 s and 1000 failures"


async def test_it_is_not_over_while_one_place_still_has_it_nor_when_it_comes_back_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="part")
    trouble = Trouble(_log, "payments", quiet=0.02)
    trouble.met("order-1", Outage("down"))
    trouble.met("order-2", Outage("down"))
    trouble.over("order-1")
    trouble.over("order-2")
    trouble.met("order-2", Outage("down"))
    other = Trouble(_log, "other", quiet=0.04)  # it ends later than the first one would have
    other.met("order-3", Outage("down"))
    other.over("order-3")
    assert [line.partition(" ")[0] for line in await said(caplog, 3)] == ["payments", "other", "other:"]


async def test_another_kind_of_trouble_is_logged_too_and_a_bug_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble(_log, "payments")
    trouble.met("order-1", Outage("down"))
    try:
        dict[str, int]()["total"]
    except KeyError as error:
        trouble.met("order-2", error)
    _, found = lines_of(caplog, "part")
    assert "KeyError: 'total' at test_trouble.py:" in found


def test_an_error_is_one_printable_line() -> None:
    assert described(ValueError("a\nb\x00c\x1b[31m")) == "ValueError: a b c [31m"
    assert len(described(ValueError("x" * 10_000))) == 500
