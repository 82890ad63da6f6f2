"""What `place` reports however it ends: stopped, refused for some, or with nobody to report to. No worker runs."""

import asyncio
import json
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from lab.settings import LabSettings
from services import SERVICES
from tests.cli.terminal import Terminal, json_lines
from tests.conftest import client_of
from tests.processes import ROOT, Ran, environment_of
from tests.shop import sample_order
from wiring.services import Services
from workflows.contracts import workflow_id

NAMESPACE = "nobody"
ORDERED = re.compile(r"^order (ord-[0-9a-f]{12})$", re.MULTILINE)


@pytest.fixture(scope="module")
def terminal(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("terminal")})
    services = Services(settings)
    for service in SERVICES:
        services.open(service)
    services.close()
    return Terminal(settings, environment_of(settings, NAMESPACE))


@pytest.fixture(scope="module")
async def temporal(server: LabSettings) -> Client:
    return await client_of(server, NAMESPACE)


async def is_running(temporal: Client, order_id: str) -> bool:
    with suppress(RPCError):
        described = await temporal.get_workflow_handle(workflow_id(order_id)).describe()
        return described.status is WorkflowExecutionStatus.RUNNING
    return False


@asynccontextmanager
async def started(terminal: Terminal, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "starter.py"),
        *arguments,
        env=terminal.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def shell(terminal: Terminal, command: str, **environment: str) -> Ran:
    """A line for bash, in which `starter` is the program."""
    program = f'starter() {{ {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "starter.py"))} "$@"; }}; '
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        program + command,
        env=terminal.environment | environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    ran = Ran(process.returncode or 0, out.decode("latin-1"), err.decode("latin-1"))
    assert "Traceback" not in ran.out + ran.err, ran.err
    return ran


# Stopped


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_stopped_wait_names_the_order_that_goes_on(
    terminal: Terminal, temporal: Client, number: signal.Signals, code: int
) -> None:
    async with started(terminal, "place", "--item", "mug=1") as placing:
        assert placing.stderr is not None
        found = ORDERED.match((await placing.stderr.readline()).decode())
        assert found, "the id is shown before anything is waited for"
        order_id = found[1]
        while not await is_running(temporal, order_id):
            await asyncio.sleep(0.02)
        for _ in range(3):  # as an impatient person does
            placing.send_signal(number)
        out, err = await placing.communicate()
    assert (placing.returncode, out) == (code, b"")
    # It may be stopped between the server's record of the order and its answer.
    assert err.decode() in (
        f"– stopped waiting; order {order_id} continues: starter.py watch {order_id}\n",
        f"– stopped; order {order_id} may have been placed: starter.py status {order_id}\n",
    )
    assert await is_running(temporal, order_id)


async def test_a_stopped_file_names_the_orders_that_go_on(terminal: Terminal, temporal: Client, tmp_path: Path) -> None:
    orders = [sample_order("stopped") for _ in range(60)]  # more than go at once
    file = tmp_path / "orders.jsonl"
    file.write_text(json_lines(*orders))
    async with started(terminal, "place", "--file", str(file)) as placing:
        while not await is_running(temporal, orders[49].order_id):
            await asyncio.sleep(0.05)
        placing.send_signal(signal.SIGINT)
        _, err = await placing.communicate()
    assert placing.returncode == 130
    [said] = [line for line in err.decode().splitlines() if "stopped" in line and "continue" in line]
    assert said.startswith("– stopped; 50 orders continue: ")
    assert all(order.order_id in said for order in orders[:50])
    assert said.endswith("; 10 of 60 were not placed: place the file again, no order is placed twice")


# One of several


async def test_what_was_done_is_reported_when_one_of_six_is_refused(terminal: Terminal) -> None:
    orders = [sample_order("six") for _ in range(6)]
    place = ("place", "--style", "choreography", "--no-wait", "--file", "-")
    await terminal.run(*place, stdin=json_lines(orders[3]))
    orders[3] = orders[3].model_copy(update={"payment_token": "tok_mastercard"})
    for as_json in (("--json",), ()):
        ran = await terminal.run(*place, *as_json, stdin=json_lines(*orders))
        assert ran.code == 2
        assert f"✗ line 4: order {orders[3].order_id} exists already, with another" in ran.err
        if as_json:
            assert [one["order_id"] for one in ran.document] == [order.order_id for order in orders]
            assert [one.get("status") for one in ran.document] == [*["in-progress"] * 3, None, *["in-progress"] * 2]
            assert (ran.document[3]["placed"], "exists already" in ran.document[3]["error"]) == (False, True)
    for order in orders:
        assert (await terminal.run("status", order.order_id)).code == 0


async def test_every_bad_line_is_named_by_its_number_and_nothing_is_placed(
    terminal: Terminal, temporal: Client
) -> None:
    good = sample_order("lines")
    zero = json.loads(good.model_dump_json()) | {"lines": [{"sku": "mug", "quantity": 0}]}
    text = "\n".join([good.model_dump_json(), json.dumps(zero), "", "{", json.dumps(zero | {"order_id": 7})])
    complaint = (await terminal.run("place", "--file", "-", stdin=text)).complaint
    assert re.search(r"line 4: not JSON", complaint)
    text = text.replace("{\n", "", 1).replace("\n\n", "\n\n\n")
    complaint = (await terminal.run("place", "--file", "-", stdin=text)).complaint
    assert re.search(r"line 2: lines\[0\]\.quantity: .*; line 5: order_id: ", complaint)
    many = "\n".join([json.dumps(zero)] * 25)
    complaint = (await terminal.run("place", "--file", "-", stdin=many)).complaint
    assert "; line 20: lines[0].quantity: " in complaint
    assert complaint.endswith("; and line 21, line 22, line 23, line 24, line 25")
    assert not await is_running(temporal, good.order_id)


# With nobody to report to

TAKEN = ("--style", "choreography", "--item", "mug=1", "--no-wait", "--order-id", "taken")
PLACE = "starter place --style choreography --item mug=1 --no-wait --order-id"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
async def test_an_encoding_without_our_marks_is_no_failure(terminal: Terminal, temporal: Client, encoding: str) -> None:
    placed, as_json = await asyncio.gather(
        *(shell(terminal, f"{PLACE} in-{encoding} {form}", PYTHONIOENCODING=encoding) for form in ("", "--json"))
    )
    assert (placed.code, placed.err) == (0, "")
    assert f"in-{encoding} in-progress" in placed.out
    assert (as_json.code, as_json.document["order_id"]) == (0, f"in-{encoding}")


@pytest.mark.parametrize(
    "redirection",
    [">&-", "2>&-", "<&- >&- 2>&-", "--json | true", "2>&1 | true"],
)
async def test_without_a_reader_a_command_ends_as_what_it_did(terminal: Terminal, redirection: str) -> None:
    """Code 0 of an order that is placed, and 2 of an id that is taken for another content."""
    order_id = f"unread-{abs(hash(redirection))}"
    ended = "; exit ${PIPESTATUS[0]}"
    await terminal.run("place", *TAKEN)
    placed, taken = await asyncio.gather(
        shell(terminal, f"{PLACE} {order_id} {redirection}{ended}"),
        shell(terminal, f"{PLACE} taken --city x {redirection}{ended}"),
    )
    assert (placed.code, taken.code) == (0, 2)
    for database in terminal.settings.data_dir.glob("*.db"):
        assert database.read_bytes()[:6] == b"SQLite", "a descriptor that was closed was taken for standard output"


async def test_output_that_is_lost_is_no_success(terminal: Terminal) -> None:
    ran = await shell(terminal, f"{PLACE} disk-full > /dev/full")
    assert ran.code == 1
    assert ran.err == "✗ the result could not be written: No space left on device\n".encode().decode("latin-1")


async def test_a_pipe_that_is_closed_half_way_ends_a_long_output(terminal: Terminal) -> None:
    ran = await shell(terminal, "starter catalogue --json | head -n 1; exit ${PIPESTATUS[0]}")
    assert (ran.code, ran.out, ran.err) == (0, "[\n", "")
