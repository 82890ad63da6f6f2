"""What needs a person, as one who is called at night sees it; one shop has all the troubles at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from client.order import OrderLine
from kernel.contracts import Style
from lab.settings import LabSettings
from tests.cli.terminal import Terminal, cells
from tests.conftest import client_of
from tests.processes import NOBODY_LISTENS, environment_of, worker_process
from tests.shop import POLICY, sample_order, undeliverable
from wiring.clients import Clients
from wiring.order_records import RecordsOfOrders
from workflows.client import OrchestrationClient
from workflows.contracts import workflow_id

NAMESPACE = "attention"
STYLES = list(Style)
FAULTS = "inventory.reserve=down:*@out-*,payments.refund=refuse:*@stuck-*,shipping.ship=slow:30@forced-*"
PATIENT = POLICY.model_copy(update={"attempt_timeout": 60, "step_deadline": 600, "review_deadline": 600})


@pytest.fixture(scope="module")
async def terminal(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Terminal]:
    """In each style an order in an outage, one with a failed undo and one in review; and one ended by force."""
    folder = tmp_path_factory.mktemp("attention")
    settings = server.model_copy(update={"data_dir": folder, "faults": FAULTS, "policy": PATIENT})
    environment = environment_of(settings, NAMESPACE) | {"ATTENTION_AFTER": "0.5"}
    async with worker_process(environment):
        temporal = await client_of(server, NAMESPACE)
        clients = Clients(settings)
        machine = (OrderLine(sku="espresso-machine", quantity=1),)
        orchestrated = OrchestrationClient(temporal, PATIENT, settings.link, RecordsOfOrders(settings.url_of))
        for style in STYLES:
            client = orchestrated if style is Style.ORCHESTRATION else await clients.client(style)
            await client.place(sample_order(order_id=f"out-{style}"))
            await client.place(sample_order(order_id=f"stuck-{style}", **undeliverable()))
            await client.place(sample_order(order_id=f"held-{style}", lines=machine))
        await orchestrated.place(sample_order(order_id="forced-1"))
        await temporal.get_workflow_handle(workflow_id("forced-1")).terminate("by mistake")
        await clients.close()
        yield Terminal(settings, environment)


async def _entries(terminal: Terminal, *kinds: str) -> dict[str, dict[str, Any]]:
    """By subject, once there is an entry of each of these kinds for each order that is to have one."""
    async with asyncio.timeout(30):
        while True:
            ran = await terminal.run("attention", "--json")
            found = {one["subject"]: one for one in ran.document if one["kind"] in kinds}
            if len(found) >= len(STYLES):
                assert ran.code == 1
                return found


async def test_a_step_that_is_retried_says_why_since_when_and_until_when(terminal: Terminal) -> None:
    found = await _entries(terminal, "retrying")
    for style in STYLES:
        entry = found[f"out-{style}"]
        assert entry["step"] == "inventory.reserve"
        assert "inventory.reserve is down" in entry["why"]
        assert entry["attempt"] > 1
        patience = datetime.fromisoformat(entry["then_at"]) - datetime.fromisoformat(entry["since"])
        assert patience.total_seconds() == pytest.approx(PATIENT.step_deadline, abs=1)
        assert entry["then"].endswith("at its deadline the order is undone")
        assert entry["command"] == f"starter.py cancel out-{style}"


@pytest.mark.parametrize("style", STYLES)
async def test_the_status_of_an_order_in_an_outage_is_not_only_that_it_runs(terminal: Terminal, style: Style) -> None:
    await _entries(terminal, "retrying")
    shown, as_json = await terminal.run_each(("status", f"out-{style}"), ("status", f"out-{style}", "--json"))
    _, state, detail = cells(shown.out, "inventory.reserve")
    assert state == "retrying"
    assert "inventory.reserve is down; attempt " in detail
    assert detail.endswith("the order is undone")
    [pending] = as_json.document["pending"]
    assert pending["step"] == "inventory.reserve"
    assert pending["attempt"] > 1
    assert pending["since"] < pending["deadline"]


async def test_an_undo_that_failed_says_which_and_how_it_is_tried_again(terminal: Terminal) -> None:
    found = await _entries(terminal, "undo-failed")
    for style in STYLES:
        entry = found[f"stuck-{style}"]
        assert entry["step"] == "payments.refund"
        assert "payments.refund" in entry["why"]
        assert entry["since"] is not None
        assert entry["command"] == f"starter.py resolve stuck-{style} retry --step payments.refund"


async def test_a_failed_undo_is_one_entry_and_not_its_dead_letter_too(terminal: Terminal) -> None:
    await _entries(terminal, "undo-failed")
    ran = await terminal.run("attention", "--json")
    assert [one["kind"] for one in ran.document if one["order_id"] == "stuck-choreography"] == ["undo-failed"]


async def test_a_review_says_until_when_somebody_may_decide(terminal: Terminal) -> None:
    found = await _entries(terminal, "review")
    for style in STYLES:
        entry = found[f"held-{style}"]
        patience = datetime.fromisoformat(entry["then_at"]) - datetime.fromisoformat(entry["since"])
        assert patience.total_seconds() == pytest.approx(PATIENT.review_deadline)
        assert "large amount" in entry["why"]
        assert entry["command"].startswith(f"starter.py review held-{style} ")


async def test_for_a_person_it_names_each_with_its_command_and_no_id_is_cut(terminal: Terminal) -> None:
    await _entries(terminal, "undo-failed")
    ran = await terminal.run("attention")
    assert ran.code == 1
    for style in STYLES:
        assert f"starter.py resolve stuck-{style} retry --step payments.refund\n" in ran.out
    assert f"/namespaces/{NAMESPACE}/workflows/{workflow_id('stuck-orchestration')}\n" in ran.out


async def test_a_part_that_does_not_answer_is_itself_an_entry(terminal: Terminal) -> None:
    """The rest is answered all the same."""
    ran = await terminal.run("attention", "--json", TEMPORAL_ADDRESS=NOBODY_LISTENS)
    assert ran.code == 1
    kinds = {one["subject"]: one["kind"] for one in ran.document}
    assert kinds["orchestration orders"] == "unseen"
    assert kinds["stuck-choreography"] == "undo-failed"


async def test_nothing_needs_anybody_where_nothing_ever_happened(server: LabSettings, tmp_path: Any) -> None:
    environment = environment_of(server.model_copy(update={"data_dir": tmp_path}), "nobody")
    ran = await Terminal(server, environment).run("attention")
    assert (ran.code, ran.out) == (0, "✓ Nothing needs you.\n")
    assert list(tmp_path.iterdir()) == []  # looking makes nothing
