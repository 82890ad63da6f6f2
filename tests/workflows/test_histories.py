"""Failed attempts and resolutions in recorded histories, however the steps were tried."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from client.contracts import OrderHistory
from workflows.histories import recorded_history

HISTORIES = Path(__file__).parents[1] / "histories"


async def _read(name: str) -> OrderHistory:
    recorded = WorkflowHistory.from_json(name, (HISTORIES / f"{name}.json").read_text())
    return await recorded_history(recorded.events, pydantic_data_converter)


@pytest.mark.parametrize("place", ["", "-in-place"])
@pytest.mark.parametrize(
    ("name", "failed"),
    [
        ("completed", []),
        ("completed-after-a-lost-reply", [("payments.charge", 1, False)]),
        ("completed-after-an-outage", [("orders.create", 2, False)]),
        ("rejected-payment-declined", []),  # a refusal is an answer
        ("rejected-after-retry", [("payments.refund", 1, True)]),
        ("completed-after-attention", [("orders.complete", 1, True)]),
    ],
)
async def test_a_history_has_the_attempts_that_failed(
    name: str, failed: list[tuple[str, int, bool]], place: str
) -> None:
    history = await _read(name + place)
    assert [(one.step, one.count, one.gave_up) for one in history.failed] == failed
    assert all(one.until and one.error and one.since <= one.until for one in history.failed)
    assert not history.is_open


async def test_a_history_has_the_resolutions_with_their_notes() -> None:
    history = await _read("rejected-settled-by-hand")
    assert [one.resolution.decision for one in history.resolved] == ["retry", "resolved"]
    assert history.resolved[-1].resolution.note
