"""Orders that are under way must go on with new code: recorded histories are replayed by today's workflow."""

import json

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from kernel.contracts import Steps
from tests.paths import PATHS
from tests.record_histories import HISTORIES, file_name
from workflows.contracts import WORKFLOW, PlaceOrder, workflow_id
from workflows.order_saga import OrderSaga

_replayer = Replayer(workflows=[OrderSaga], data_converter=pydantic_data_converter)


def _history(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(workflow_id(name), json.loads((HISTORIES / f"{name}.json").read_text()))


@pytest.mark.parametrize("name", sorted(path.stem for path in HISTORIES.glob("*.json")))
async def test_a_recorded_order_replays(name: str) -> None:
    await _replayer.replay_workflow(_history(name))


def test_every_path_has_a_history() -> None:
    """`make histories` records those that are missing."""
    recorded = {path.name for path in HISTORIES.glob("*.json")}
    assert {file_name(path, steps) for path in PATHS for steps in Steps} <= recorded


@workflow.defn(name=WORKFLOW, sandboxed=False)
class _ChangedSaga:
    """What a careless change looks like."""

    @workflow.run
    async def run(self, place: PlaceOrder) -> None:
        await workflow.sleep(place.policy.attempt_timeout)


async def test_a_careless_change_of_the_workflow_is_noticed() -> None:
    changed = Replayer(workflows=[_ChangedSaga], data_converter=pydantic_data_converter)
    with pytest.raises(workflow.NondeterminismError):
        await changed.replay_workflow(_history("completed"))
