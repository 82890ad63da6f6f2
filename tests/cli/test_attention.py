"""What needs a person, as one who is called at night sees it; one shop has all the troubles at once."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest

from client.order import OrderLine
from kernel.contracts import Style
from lab.settings import LabSettings
from tests.cli.terminal import Terminal, cells
from tests.conftest import client_of
from tests.processes import NOBODY_LISTENS, environment_of, until, worker_process
from tests.shop import POLICY, sample_order, undeliverable
from tests.subscribers.http_endpoint import Answer, HttpEndpoint, to
from wiring.clients import Clients
from wiring.order_records import RecordsOfOrders
from workflows.client import OrchestrationClient
from workflows.contracts import workflow_id

NAMESPACE = "attention"
STYLES = list(Style)
FAULTS = "inventory.reserve=down:*@out-*,payments.refund=refuse:*@stuck-*,shipping.ship=slow:3@forced-*"
PATIENT = POLICY.model_copy(update={"attempt_timeout": 60, "step_deadline": 600, "review_deadline": 600})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[HttpEndpoint]:
    """An outside system that is down until a test lets it come up."""
    with HttpEndpoint() as endpoint:
        endpoint.answers = [Answer(503)] * 10_000
        yield endpoint


@pytest.fixture(scope="module")
async def terminal(
    server: LabSettings, tmp_path_factory: pytest.TempPathFactory, endpoint: HttpEndpoint
) -> AsyncIterator[Terminal]:
    """In each style an order in an outage, one with a failed undo and one in review; and one ended by force."""
    folder = tmp_path_factory.mktemp("attention")
    settings = server.model_copy(update={"data_dir": folder, "faults": FAULTS, "policy": PATIENT})
    environment = environment_of(settings, NAMESPACE) | {"ATTENTION_AFTER": "0.5"}
    erp = to(endpoint.url, name="erp", types=["OrderRejected"], first_pause=1, longest_pause=3600, per_second=1000)
    environment["WEBHOOKS"] = json.dumps([erp])
    async with worker_process(environment):
        temporal = await client_of(server, NAMESPACE)
        clients = Clients(settings)
        machine = (OrderLine(sku="espresso-machine", quantity=1),)
        orchestrated = OrchestrationClient(temporal, PATIENT, settings.link, RecordsOfOrders(settings.url_of))
        for style in STYLES:
            client = orchestrated if style is Style.ORCHESTRATION else await clients.client(style)
            await client.place(sample_order(order_id=f"out-{style}"))
            await client.place(sample_order(order_id=f"stuck-{style}", **undeliverable()))
            await client.place(sample_order(order_id=f"held-{style}", customer_id="held", lines=machine))
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
        wait = datetime.fromisoformat(entry["then_at"]) - datetime.fromisoformat(entry["since"])
        assert wait.total_seconds() == pytest.approx(PATIENT.step_deadline, abs=1)
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


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (("--stage", "review"), {"held-orchestration", "held-choreography"}),
        (("--step", "inventory.reserve"), {"out-orchestration", "out-choreography"}),
        (("--reason", "refund REFUSES"), {"stuck-orchestration", "stuck-choreography"}),
        (("--reason", "refund refuses", "--style", "choreography"), {"stuck-choreography"}),
        (("--status", "needs-attention", "--older-than", "2d"), set()),
        (("--stage", "review", "--customer", "somebody-else"), set()),
        (
            ("--stage", "review", "--newer-than", "1h", "--customer", "held"),
            {"held-orchestration", "held-choreography"},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_the_list_is_a_queue_of_what_is_to_be_worked_on(
    terminal: Terminal, filters: tuple[str, ...], found: set[str]
) -> None:
    await _entries(terminal, "undo-failed")
    await _entries(terminal, "retrying")
    ran = await terminal.run("list", "--json", *filters)
    assert ran.code == 0
    assert {order["order_id"] for order in ran.document} == found


async def test_the_list_shows_age_amount_and_what_is_stuck_and_has_pages(terminal: Terminal) -> None:
    await _entries(terminal, "retrying")
    shown = await terminal.run("list", "--step", "inventory.reserve")
    for style in STYLES:
        _, _, status, age, amount, why = cells(shown.out, f"out-{style}")
        assert (status, amount) == ("… in-progress", "48.50 EUR")
        assert age.split()[1] in ("s", "min")
        assert why.startswith("inventory.reserve: ")
    pages = [await terminal.run("list", "--stage", "review", "--limit", "1", "--page", n, "--json") for n in "123"]
    ids = [[order["order_id"] for order in page.document] for page in pages]
    assert [len(page) for page in ids] == [1, 1, 0]
    assert {*ids[0], *ids[1]} == {"held-orchestration", "held-choreography"}


async def test_an_age_that_is_none_is_refused(terminal: Terminal) -> None:
    assert "'soon' is no duration; write 90s, 15min, 2h or 3d" in terminal.refuses("list", "--older-than", "soon")


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
        wait = datetime.fromisoformat(entry["then_at"]) - datetime.fromisoformat(entry["since"])
        assert wait.total_seconds() == pytest.approx(PATIENT.review_deadline)
        assert "large amount" in entry["why"]
        assert entry["command"].startswith(f"starter.py review held-{style} ")


async def test_a_saga_that_was_ended_by_force_says_so_and_how_it_goes_on(terminal: Terminal) -> None:
    async with asyncio.timeout(30):
        while True:
            ran = await terminal.run("attention", "--json")
            forced = [one for one in ran.document if one["kind"] == "ended-by-force"]
            if forced:
                break
    assert [one["order_id"] for one in forced] == ["forced-1"]
    assert "terminated" in forced[0]["why"]
    assert forced[0]["command"] == "starter.py resolve forced-1 retry"


async def test_for_a_person_it_names_each_with_its_command_and_no_id_is_cut(terminal: Terminal) -> None:
    await _entries(terminal, "undo-failed")
    ran = await terminal.run("attention")
    assert ran.code == 1
    for style in STYLES:
        assert f"starter.py resolve stuck-{style} retry --step payments.refund\n" in ran.out
    assert f"/namespaces/{NAMESPACE}/workflows/{workflow_id('stuck-orchestration')}\n" in ran.out


async def test_an_endpoint_that_is_down_is_one_entry_and_is_caught_up_once_it_is_up(
    terminal: Terminal, endpoint: HttpEndpoint
) -> None:
    declined = ("place", "--item", "mug=1", "--card", "tok_chargeDeclined", "--order-id")
    await terminal.run_each((*declined, "hook-1"), (*declined, "hook-2"))

    async def entry() -> dict[str, Any] | None:
        ran = await terminal.run("attention", "--json")
        return next((one for one in ran.document if (one["kind"], one["subject"]) == ("webhook", "erp")), None)

    async with asyncio.timeout(30):
        while not (down := await entry()) or "3 events wait" not in down["why"]:
            pass
    assert "the endpoint answers 503" in down["why"]
    assert down["command"] == "starter.py events deliveries --to erp"
    failed = await terminal.run("events", "deliveries", "--to", "erp", "--failed", "--json")
    waiting = {"hook-1", "hook-2", "stuck-orchestration"}
    assert {one["order_id"] for one in failed.document} == waiting

    endpoint.answers.clear()
    await terminal.run(*declined, "hook-3")
    async with asyncio.timeout(30):
        while await entry():
            pass
    assert {event["correlationid"] for event in endpoint.events} == waiting | {"hook-3"}
    delivered = await terminal.run("events", "deliveries", "--order", "hook-1")
    assert "accepted" in delivered.out.splitlines()[0]

    [event_id] = [event["id"] for event in endpoint.events if event["correlationid"] == "hook-1"]
    resent = await terminal.run("events", "resend", event_id, "--to", "erp")
    assert resent.code == 0
    await until(lambda: [event["id"] for event in endpoint.events].count(event_id) == 2)
    unwanted = await terminal.run("events", "resend", "hook-1:create:OrderCreated", "--to", "erp")
    assert "erp does not subscribe to OrderCreated" in unwanted.complaint


async def test_a_part_that_does_not_answer_is_itself_an_entry(terminal: Terminal) -> None:
    """The rest is answered all the same."""
    ran = await terminal.run("attention", "--json", TEMPORAL_ADDRESS=NOBODY_LISTENS)
    assert ran.code == 1
    kinds = {one["subject"]: one["kind"] for one in ran.document}
    assert kinds["orchestration orders"] == "unseen"
    assert kinds["stuck-choreography"] == "undo-failed"


async def test_a_part_that_hangs_does_not_hang_the_answer(terminal: Terminal) -> None:
    """Somebody takes the connection to a database, and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://user@127.0.0.1:{silent.getsockname()[1]}/payments?connect_timeout=2"
        ran = await terminal.run(
            "attention", "--json", TEMPORAL_ADDRESS=NOBODY_LISTENS, DATABASES=json.dumps({"payments": url})
        )
    assert ran.code == 1
    kinds = {one["subject"]: one["kind"] for one in ran.document}
    assert kinds["the database of payments"] == "unseen"
    assert kinds["stuck-choreography"] == "undo-failed"


async def test_a_folder_without_databases_cannot_be_seen(server: LabSettings, tmp_path: Any) -> None:
    environment = environment_of(server.model_copy(update={"data_dir": tmp_path}), "nobody")
    ran = await Terminal(server, environment).run("attention", "--json")
    assert ran.code == 1
    assert [(entry["kind"], entry["subject"]) for entry in ran.document] == [("unseen", "the database of orders")]
    assert list(tmp_path.iterdir()) == []  # looking makes nothing


async def test_many_are_decided_on_by_a_query(terminal: Terminal) -> None:
    """The last test here: it settles what the others look at."""
    await _entries(terminal, "undo-failed")
    stuck, held = {f"stuck-{style}" for style in STYLES}, {f"held-{style}" for style in STYLES}
    everything = await terminal.run("bulk", "resolve", "retry")
    assert "say which orders: by filters, or --all" in everything.complaint
    shown = await terminal.run("bulk", "resolve", "retry", "--step", "payments.refund", "--dry-run", "--json")
    assert (shown.code, set(shown.document)) == (0, stuck)

    note = ("--note", "by bank transfer", "--actor", "night-shift")
    refused = await terminal.run("bulk", "resolve", "delivered", "--step", "payments.refund", *note, "--json")
    assert refused.code == 1
    assert set(refused.document["failed"]) == stuck
    resolved = await terminal.run("bulk", "resolve", "resolved", "--step", "payments.refund", *note, "--json")
    assert (resolved.code, resolved.document["done"]) == (0, len(STYLES))
    approved = await terminal.run("bulk", "review", "approve", "--customer", "held", ACTOR="fraud-desk")
    assert (approved.code, approved.out) == (0, "2 done, 0 failed\n")
    for order_id in stuck | held:
        await terminal.run("watch", order_id, "--json")
    ended = (await terminal.run("list", "--json")).document
    assert {one["status"] for one in ended if one["order_id"] in stuck} == {"rejected"}
    assert {one["status"] for one in ended if one["order_id"] in held} == {"completed"}

    for style in STYLES:  # and their events say who it was, for the audit log too
        assert ("OrderFlagged", "night-shift") in await _decided_by(terminal, f"stuck-{style}")
        assert ("NoFraudDetected", "fraud-desk") in await _decided_by(terminal, f"held-{style}")
    assert ("AttentionSettled", "night-shift") in await _decided_by(terminal, "stuck-choreography")
    assert ("ReviewDecided", "fraud-desk") in await _decided_by(terminal, "held-choreography")


async def _decided_by(terminal: Terminal, order_id: str) -> set[tuple[str, str]]:
    ran = await terminal.run("events", "list", "--order", order_id, "--json")
    return {(one["event"]["type"], one["event"]["data"].get("actor", "")) for one in ran.document}


async def test_a_cancel_says_who_it_was(terminal: Terminal) -> None:
    for style in STYLES:
        await terminal.run("cancel", f"out-{style}", "--reason", "out too long", "--actor", "night-shift")
        async with asyncio.timeout(30):  # the relay publishes it in its own time
            while ("OrderCancelled", "night-shift") not in await _decided_by(terminal, f"out-{style}"):
                pass
    assert ("CancelRequested", "night-shift") in await _decided_by(terminal, "out-choreography")
