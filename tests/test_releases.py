"""What a release left behind is opened by the code of the day: its workflows replay, and its orders end.

Each folder of tests/releases was written by the code of its day and is never written again; see the README there.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import get_type_hints

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from audit.books import read
from audit.chain import audit_chain
from audit.events import audit_events
from audit.invariants import audit
from cli.archive import behind
from client.contracts import Resolution, Review
from kernel.contracts import Policy
from lab.settings import LabSettings
from messaging.failure import FailureState
from services import SERVICES
from subscribers.audit_log import NAME as AUDIT_LOG
from tests.choreographed import ChoreographedShop, clients_of, open_shop
from tests.releases.record import RELEASES, LeftOrder
from tests.subscribers.http_endpoint import HttpEndpoint, to
from wiring.listening import all_subscriptions
from wiring.services import Services
from workflows.contracts import workflow_id
from workflows.order_saga import OrderSaga

# A release only gets older: with any other deadline, the clock would decline and undo what was left under way.
TEN_YEARS = 315_360_000
POLICY = Policy(step_deadline=TEN_YEARS, undo_deadline=TEN_YEARS, review_deadline=TEN_YEARS)

APPROVE = Review.model_validate({"decision": "approve", "note": "as seen by a person"})
RETRY = Resolution.model_validate({"decision": "retry"})

SECONDS = 20

_releases = sorted(RELEASES.glob("[0-9]*"))
_histories = sorted(RELEASES.glob("*/histories/*.json"))
_replayer = Replayer(workflows=[OrderSaga], data_converter=pydantic_data_converter)


@pytest.mark.parametrize("file", _histories, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
async def test_a_workflow_of_a_release_replays(file: Path) -> None:
    """Also those that were under way: they go on with the code of the day."""
    await _replayer.replay_workflow(_history(file))


@pytest.mark.parametrize("release", _releases, ids=lambda folder: folder.name)
async def test_the_orders_of_a_release_end(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choreographed ones, which are all in the databases; a reviewer and an operator do their part."""
    orders = _orders(release)
    choreographed = {order_id: order for order_id, order in orders.items() if order["style"] == "choreography"}
    orchestrated = {order_id: order for order_id, order in orders.items() if order["style"] == "orchestration"}
    assert {file.stem for file in (release / "histories").iterdir()} == orchestrated.keys()
    _load(release / "databases", tmp_path)
    settings = LabSettings(data_dir=tmp_path, policy=POLICY)

    with HttpEndpoint() as endpoint:
        monkeypatch.setenv("WEBHOOKS", json.dumps([to(endpoint.url, per_second=1000)]))
        async with clients_of(settings) as clients:
            assert await _states(clients, choreographed) == {
                order_id: (order["status"], order["stage"]) for order_id, order in choreographed.items()
            }
        async with open_shop(settings) as shop:
            progress = shop.eventing.progress
            for order_id, order in choreographed.items():
                if order["stage"] == "review":
                    await shop.client.review(order_id, APPROVE)
                if order["stage"] == "attention":
                    await shop.client.resolve(order_id, RETRY)
            with suppress(TimeoutError):  # what is said then is which orders have not ended, and what failed
                async with asyncio.timeout(SECONDS):
                    for order_id in choreographed:
                        await shop.client.outcome(order_id)
                    while await _behind(shop) or progress.failures(*FailureState):
                        await asyncio.sleep(0.1)
            assert progress.failures(*FailureState) == []
            assert await _states(shop, choreographed) == {
                order_id: (order["ends"], "ended") for order_id, order in choreographed.items()
            }
            assert await _behind(shop) == []

    # Nobody moves an orchestrated order here, where no Temporal server knows it: those that were under way still are.
    # The audit reads databases only, and has nothing against that before all deadlines have passed.
    ends = {order_id: order["ends"] for order_id, order in choreographed.items()}
    stays = {order_id: order["status"] for order_id, order in orchestrated.items()}
    assert {order_id: books.status for order_id, books in read(settings).orders.items()} == ends | stays
    assert audit(settings).violations == []
    async with clients_of(settings) as clients:
        assert await audit_events(settings, clients.eventing.bus) == []
        assert audit_chain(clients.eventing.database(AUDIT_LOG), clients.eventing.progress) == []


@pytest.mark.parametrize("release", _releases, ids=lambda folder: folder.name)
def test_a_repeated_call_gets_its_first_answer(release: Path, tmp_path: Path) -> None:
    """A worker that died before it could reply is asked again after the upgrade, in the words of before."""
    _load(release / "databases", tmp_path)
    calls = [
        call
        for order_id, order in _orders(release).items()
        if order["style"] == "orchestration" and order["ends"] == "completed"  # nothing of it was undone
        for call in _calls(_history(release / "histories" / f"{order_id}.json"))
    ]
    assert calls
    declared = {service.name: service for service in SERVICES}
    with closing(Services(LabSettings(data_dir=tmp_path))) as shop:
        for name, command, reply in calls:
            service, _, verb = name.partition(".")
            activity = next(one for one in shop.activities(declared[service]) if one.__name__ == verb)
            types = get_type_hints(activity)
            assert activity(_decoded(command, types["command"])) == _decoded(reply, types["return"])


def _calls(history: WorkflowHistory) -> Iterator[tuple[str, Payload, Payload]]:
    """The activities that were done, with what they were asked and what they replied. Local ones are not in it."""
    events = {event.event_id: event for event in history.events}
    for event in history.events:
        if event.HasField("activity_task_completed_event_attributes"):
            completed = event.activity_task_completed_event_attributes
            asked = events[completed.scheduled_event_id].activity_task_scheduled_event_attributes
            yield asked.activity_type.name, asked.input.payloads[0], completed.result.payloads[0]


def _decoded(payload: Payload, kind: type) -> object:
    decoded: object = pydantic_data_converter.payload_converter.from_payload(payload, kind)
    return decoded


def _orders(release: Path) -> dict[str, LeftOrder]:
    orders: dict[str, LeftOrder] = json.loads((release / "orders.json").read_text())
    return orders


def _history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(workflow_id(file.stem), json.loads(file.read_text()))


def _load(dumps: Path, data_dir: Path) -> None:
    for dump in dumps.glob("*.sql"):
        with closing(sqlite3.connect(data_dir / f"{dump.stem}.db")) as connection:
            connection.executescript(dump.read_text())


async def _states(shop: ChoreographedShop, order_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    states = [(await shop.client.get(order_id)).state for order_id in order_ids]
    return {state.order_id: (state.status, state.stage) for state in states}


async def _behind(shop: ChoreographedShop) -> list[str]:
    """The consumers that have not read to the end of the bus."""
    bus, progress = shop.eventing.bus, shop.eventing.progress
    consumers = [one.name for one in all_subscriptions(shop.eventing)]
    return [one for one in consumers if await behind(bus, progress.positions(one))]
