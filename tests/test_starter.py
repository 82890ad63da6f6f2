"""The command line as its user meets it: what it says, where it says it, and the exit code."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.books import OrderBooks, read
from client.order import Order, OrderLine
from lab.settings import LabSettings
from settings import DATABASES
from tests.conftest import client_of
from tests.processes import (
    NOBODY_LISTENS,
    ROOT,
    Environment,
    Ran,
    environment_of,
    run,
    run_here,
    run_inside,
    worker_process,
)
from tests.shop import sample_order, undeliverable
from workflows.client import OrchestrationClient
from workflows.contracts import workflow_id

NAMESPACE = "processes"
FAULTS = "shipping.ship=slow:2@slow-*,payments.refund=refuse:*@stuck-*"

MUG = ("place", "--item", "mug=1")


@dataclass(frozen=True)
class Terminal:
    """Someone's terminal, in a shop that is open."""

    settings: LabSettings
    environment: Environment
    saga: OrchestrationClient

    async def run(self, *arguments: str, stdin: str | bytes = "", **environment: str) -> Ran:
        return await run_inside(self.environment | environment, *arguments, stdin=stdin)

    async def run_alone(self, *arguments: str, stdin: str | bytes = "") -> Ran:
        """In a process of its own, as its users run it: a second dearer."""
        return await run("starter.py", self.environment, *arguments, stdin=stdin)

    async def run_each(self, *commands: tuple[str, ...]) -> list[Ran]:
        return [await self.run(*command) for command in commands]

    def refuses(self, *arguments: str, stdin: str | bytes = "", **environment: str) -> str:
        """The complaint of a command that must not get as far as to a server."""
        nowhere = {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
        return run_here(self.environment | nowhere | environment, *arguments, stdin=stdin).complaint

    async def has_had(self, *orders: Order) -> None:
        """These orders were placed here, and have ended or wait for a person."""
        for order in orders:
            await self.saga.place(order)
        await asyncio.gather(*(self.saga.outcome(order.order_id) for order in orders))

    def books(self, order_id: str) -> OrderBooks:
        return read(self.settings).orders.get(order_id, OrderBooks())

    def link(self, order_id: str) -> str:
        return f"http://localhost:{self.settings.ui_port}/namespaces/{NAMESPACE}/workflows/{workflow_id(order_id)}"


@pytest.fixture(scope="module")
async def terminal(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Terminal]:
    """One worker process serves all tests here."""
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("starter"), "faults": FAULTS})
    environment = environment_of(settings, NAMESPACE)
    async with worker_process(environment):
        yield Terminal(
            settings,
            environment,
            OrchestrationClient(await client_of(server, NAMESPACE), settings.policy, settings.link),
        )


def document(**changes: Any) -> dict[str, Any]:
    """An order as its customer would write it in a file."""
    written: dict[str, Any] = sample_order().model_dump(mode="json")
    return written | changes


def line(**changes: Any) -> dict[str, Any]:
    return document(lines=[{"sku": "mug", "quantity": 1} | changes])


def json_lines(*orders: Order) -> str:
    return "".join(f"{order.model_dump_json()}\n" for order in orders)


# Refused, before any connection


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("place",), "say what to order"),
        ((*MUG, "--file", "order.json"), "say what to order"),
        (("place", "--item", "mug"), "--item mug: write SKU=QUANTITY"),
        (("place", "--item", "=2"), "--item =2: write SKU=QUANTITY"),
        (("place", "--item", ""), "write SKU=QUANTITY"),
        (("place", "--item", "mug="), "'' is not a whole number"),
        (("place", "--item", "mug=two"), "'two' is not a whole number"),
        (("place", "--item", "mug=1.5"), "'1.5' is not a whole number"),
        (("place", "--item", "mug=1_0"), "'1_0' is not a whole number"),
        (("place", "--item", "mug=" + "9" * 5000), "is not a whole number"),
        (("place", "--item", "mug=0"), "lines.0.quantity: Input should be greater than or equal to 1"),
        (("place", "--item", "mug=-1"), "lines.0.quantity: Input should be greater than or equal to 1"),
        (("place", "--item", "mug=10000"), "lines.0.quantity: Input should be less than or equal to 9999"),
        (("place", "--item", "mug=" + "9" * 30), "lines.0.quantity: Input should be less than or equal to 9999"),
        (("place", "--item", "mug=9999", "--item", "mug=1"), "lines.0.quantity: Input should be less than or equal"),
        (("place", "--item", " mug=1", "--item", "mug=1"), "mug is on two lines"),
        (("place", "--item", "m\x07ug=1"), "lines.0.sku: must not have control characters"),
        (("place", "--item", "m\udcffug=1"), "lines.0.sku: Input should be a valid string"),
        (("place", "--item", "unicorn=1"), "there is no product 'unicorn'; 'starter.py catalogue' shows what there is"),
        ((*MUG, "--card", "4242424242424242"), "payment_token: must be a card token such as tok_visa"),
        ((*MUG, "--card", ""), "payment_token: String should have at least 1 character"),
        ((*MUG, "--country", "Germany"), "ship_to.country: String should match pattern"),
        ((*MUG, "--country", "D1"), "(two letters, such as DE)"),
        ((*MUG, "--country", ""), "(two letters, such as DE)"),
        ((*MUG, "--customer", ""), "customer_id: String should have at least 1 character"),
        ((*MUG, "--customer", "a\nb"), "customer_id: must not have control characters"),
        ((*MUG, "--name", "a\x1b[31mb"), "ship_to.name: must not have control characters"),
        ((*MUG, "--city", "x" * 101), "ship_to.city: String should have at most 100 characters"),
        ((*MUG, "--order-id", "a b"), "1 to 64 letters, digits, dots, dashes or underscores"),
        ((*MUG, "--order-id", "büro"), "1 to 64 letters, digits, dots, dashes or underscores"),
        ((*MUG, "--order-id", "a/b"), "1 to 64 letters, digits, dots, dashes or underscores"),
        ((*MUG, "--order-id", "a:b"), "1 to 64 letters, digits, dots, dashes or underscores"),
        ((*MUG, "--order-id", "a\n"), "1 to 64 letters, digits, dots, dashes or underscores"),
        ((*MUG, "--order-id", "x" * 65), "1 to 64 letters, digits, dots, dashes or underscores"),
        ((*MUG, "--order-id=-a"), "1 to 64 letters, digits, dots, dashes or underscores"),
        ((*MUG, "--order-id", ""), "1 to 64 letters, digits, dots, dashes or underscores"),
        (("resolve", "x", "resolved"), "say in --note how it was settled by hand"),
        (("resolve", "x", "resolved", "--note", "  "), "say in --note how it was settled by hand"),
        (("resolve", "x", "forget"), "'forget' is not one of 'retry', 'resolved'"),
        (("review", "x", "maybe"), "'maybe' is not one of 'approve', 'decline'"),
        (("review", "x"), "Missing argument"),
        (("status",), "Missing argument 'ORDER'"),
        (("list", "--status", "lost"), "'lost' is not one of"),
        (("list", "--limit", "0"), "--limit"),
        (("place", "--itm", "mug=1"), "No such option: --itm"),
        (("place", "--item"), "Option '--item' requires an argument"),
        ((*MUG, "mug=2"), "unexpected extra argument"),
        (("plce",), "No such command 'plce'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    terminal: Terminal, arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in terminal.refuses(*arguments)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "the file has no order in it"),
        (" \n\n", "the file has no order in it"),
        ("[]", "the file has no order in it"),
        ('{"order_id": ', "not JSON"),
        ("mug=1", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "order 1: the order: Input should be"),
        ("7", "the order: Input should be"),
        ("null", "the order: Input should be"),
        ("{}", "order_id: Field required"),
        (document(lines=[]), "lines: Tuple should have at least 1 item"),
        (document(lines={}), "lines: Input should be a valid tuple"),
        (document(lines=[1, 2]), "lines.0: Input should be"),
        (document(lines=[{"sku": "mug"}]), "lines.0.quantity: Field required"),
        (document(lines=[{"sku": f"sku-{n}", "quantity": 1} for n in range(101)]), "an order has 1 to 100 lines"),
        (document(lines=[{"sku": f"sku-{n}", "quantity": 1} for n in range(10_000)]), "an order has 1 to 100 lines"),
        (document(lines=[{"sku": "mug", "quantity": 1}] * 2), "mug is on two lines"),
        (document(discount=100), "discount: Extra inputs are not permitted"),
        (document(total={"amount": 1, "currency": "EUR"}), "total: Extra inputs are not permitted"),
        (line(unit_price=1), "lines.0.unit_price: Extra inputs are not permitted"),
        (line(quantity=0), "lines.0.quantity: Input should be greater than or equal to 1"),
        (line(quantity=-3), "lines.0.quantity: Input should be greater than or equal to 1"),
        (line(quantity=10**40), "lines.0.quantity: Input should be less than or equal to 9999"),
        (line(quantity=1.5), "lines.0.quantity: Input should be a valid integer"),
        (line(quantity=True), "lines.0.quantity: Input should be a valid integer"),
        (line(quantity="2"), "lines.0.quantity: Input should be a valid integer"),
        (line(quantity=float("inf")), "lines.0.quantity: Input should be a valid integer"),
        (line(quantity=None), "lines.0.quantity: Input should be a valid integer"),
        (line(sku="unicorn"), "there is no product 'unicorn'"),
        (document(order_id=7), "order_id: Input should be a valid string"),
        (document(order_id="../../etc"), "1 to 64 letters"),
        (document(customer_id="\ud800"), "customer_id: Input should be a valid string"),
        (document(payment_token="4242424242424242"), "must be a card token"),
        (document(ship_to=None), "ship_to: Input should be"),
        (document(ship_to={}), "ship_to.name: Field required"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_file_with_a_bad_order_is_refused_in_one_line(
    terminal: Terminal, tmp_path: Path, content: str | dict[str, Any], complaint: str
) -> None:
    file = tmp_path / "order.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    assert complaint in terminal.refuses("place", "--file", str(file))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (".", "Is a directory"),
        ("missing.json", "No such file or directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(terminal: Terminal, tmp_path: Path, name: str, complaint: str) -> None:
    assert complaint in terminal.refuses("place", "--file", f"{tmp_path}/{name}")


def test_bytes_that_are_no_text_are_refused(terminal: Terminal, tmp_path: Path) -> None:
    binary = b"\x89PNG\r\n\x1a\n\x00\xff\xfe"
    file = tmp_path / "order.png"
    file.write_bytes(binary)
    assert "not a text file" in terminal.refuses("place", "--file", str(file))
    assert "not a text file" in terminal.refuses("place", "--file", "-", stdin=binary)


def test_a_bad_line_of_many_is_named(terminal: Terminal) -> None:
    first, last = sample_order(), sample_order()
    many = [first.model_dump_json(), json.dumps(line(quantity=0)), last.model_dump_json()]
    assert "line 2: lines.0.quantity" in terminal.refuses("place", "--file", "-", stdin="\n".join(many))
    many[1] = "{"
    assert "line 2: not JSON" in terminal.refuses("place", "--file", "-", stdin="\n".join(many))
    many[1] = json.dumps(line(sku="unicorn"))
    assert "there is no product 'unicorn'" in terminal.refuses("place", "--file", "-", stdin="\n".join(many))


def test_an_id_used_twice_in_a_file_is_refused_unless_the_orders_are_the_same(terminal: Terminal) -> None:
    order = sample_order()
    other = order.model_copy(update={"payment_token": "tok_mastercard"})
    complaint = terminal.refuses("place", "--file", "-", stdin=json_lines(order, other))
    assert f"line 2: order {order.order_id} is in the file twice, with different content" in complaint


def test_a_card_number_is_not_repeated_on_the_screen(terminal: Terminal) -> None:
    assert "4242" not in terminal.refuses(*MUG, "--card", "4242424242424242")


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("UI_PORT", "abc", "UI_PORT: Input should be a valid integer"),
        ("TEMPORAL_PORT", "99999", "TEMPORAL_PORT: Input should be less than or equal to 65535"),
        ("DATABASE_URL", "sqlite:///all.db", "DATABASE_URL: each service has a database of its own"),
        ("DATABASE_URL", "nonsense {service}", "the database URL of orders is not a URL"),
        ("DATABASE_URL", "mysql://host/{service}", "the database of orders is mysql; it can be sqlite or postgresql"),
        ("DATABASES", "nonsense", "DATABASES: not JSON"),
        ("DATABASES", "[1]", "DATABASES: Input should be a valid dictionary"),
        ("DATABASES", '{"ledger": "sqlite:///a.db"}', "DATABASES: 'ledger' is no database"),
        ("POLICY__STEP_DEADLINE", "soon", "POLICY.STEP_DEADLINE: Input should be a valid number"),
        ("POLICY__ATTEMPT_TIMEOUT", "-1", "POLICY.ATTEMPT_TIMEOUT"),
        ("FRAUD__LARGE_AMOUNT", "much", "FRAUD__LARGE_AMOUNT: Input should be a valid integer"),
    ],
)
def test_a_setting_that_is_wrong_is_named(terminal: Terminal, setting: str, value: str, complaint: str) -> None:
    assert complaint in terminal.refuses("status", "x", **{setting: value})


@pytest.mark.parametrize("command", ["audit", "catalogue"])
def test_without_databases_there_is_nothing_to_read(terminal: Terminal, tmp_path: Path, command: str) -> None:
    assert "start a worker first" in terminal.refuses(command, DATA_DIR=str(tmp_path))


async def test_refusing_in_this_process_is_refusing_in_a_process_of_its_own(terminal: Terminal) -> None:
    """One of each kind: what `run_here` says of them is what a user sees."""
    commands: tuple[tuple[tuple[str, ...], str], ...] = (
        (("place", "--item", "mug=two"), ""),
        (("place", "--item", "unicorn=1"), ""),
        (("place", "--file", "-"), "[1, 2]"),
        (("place", "--file", "/"), ""),
        (("review", "büro", "maybe"), ""),
    )
    ran = await asyncio.gather(*(terminal.run_alone(*arguments, stdin=stdin) for arguments, stdin in commands))
    assert [each.complaint for each in ran] == [
        terminal.refuses(*arguments, stdin=stdin) for arguments, stdin in commands
    ]


async def test_without_a_command_it_says_which_there_are(terminal: Terminal) -> None:
    bare, asked = await terminal.run_each((), ("--help",))
    assert (bare.code, asked.code) == (2, 0)
    for command in ("place", "status", "watch", "list", "cancel", "review", "resolve", "audit", "catalogue"):
        assert command in bare.out + bare.err
        assert command in asked.out


async def test_a_closed_standard_input_is_refused(terminal: Terminal) -> None:
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        f"exec '{sys.executable}' '{ROOT}/starter.py' place --file - <&-",
        env=terminal.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await shell.communicate()
    assert Ran(shell.returncode or 0, out.decode(), err.decode()).complaint


# Servers that are not there


async def test_a_server_that_cannot_be_reached_is_named_with_what_to_do(terminal: Terminal) -> None:
    without_address = {k: v for k, v in terminal.environment.items() if k != "TEMPORAL_ADDRESS"}
    for ran in await asyncio.gather(
        terminal.run(*MUG, TEMPORAL_ADDRESS=NOBODY_LISTENS), run("starter.py", without_address, "list")
    ):
        assert f"cannot reach the Temporal server at {NOBODY_LISTENS}" in ran.complaint
        assert ran.complaint.endswith("start one with 'make up', or set TEMPORAL_ADDRESS")


async def test_an_address_that_is_a_url_is_refused(terminal: Terminal) -> None:
    assert "give host:port" in (await terminal.run("list", TEMPORAL_ADDRESS=f"http://{NOBODY_LISTENS}")).complaint


async def test_a_namespace_that_does_not_exist_is_named(terminal: Terminal) -> None:
    for ran in await asyncio.gather(*(terminal.run(*c, TEMPORAL_NAMESPACE="nowhere") for c in (MUG, ("status", "x")))):
        assert "nowhere" in ran.complaint


async def test_the_port_alone_will_do(terminal: Terminal) -> None:
    environment = {k: v for k, v in terminal.environment.items() if k != "TEMPORAL_ADDRESS"}
    ran = await run(
        "starter.py", environment | {"TEMPORAL_PORT": str(terminal.settings.temporal_port)}, "status", "nobody"
    )
    assert "there is no order nobody" in ran.complaint


# Place


async def test_an_order_is_placed_and_shown(terminal: Terminal) -> None:
    items = ("--item", "mug=1", "--item", "mug=1")
    ran = await terminal.run_alone("place", *items, "--country", "de", "--order-id", "shown")
    parcel = (await terminal.run("status", "shown", "--json")).document["tracking_number"]
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out == f"✓ shown completed  24.00 EUR  parcel {parcel}\n  {terminal.link('shown')}\n"
    assert terminal.books("shown").charges == [(2400, "EUR")]
    assert terminal.books("shown").held == {"mug": 2}


async def test_an_order_without_an_id_gets_one_and_json_is_the_whole_of_it(terminal: Terminal) -> None:
    ran = await terminal.run(*MUG, "--json")
    state = ran.document
    assert (ran.code, ran.err) == (0, "")
    assert state["status"] == "completed"
    assert state["stage"] == "ended"
    assert state["reason"] == ""
    assert state["total"] == {"amount": 1200, "currency": "EUR"}
    assert state["workflow_id"] == workflow_id(state["order_id"])
    assert state["link"] == terminal.link(state["order_id"])
    steps = {step["step"]: step["state"] for step in state["steps"]}
    assert set(steps.values()) == {"done"}
    assert (
        steps.items()
        >= dict.fromkeys(
            (
                "orders.create",
                "fraud.screen",
                "inventory.reserve",
                "payments.charge",
                "shipping.ship",
                "orders.complete",
            ),
            "done",
        ).items()
    )


async def test_a_rejected_order_says_why_and_exits_with_1(terminal: Terminal) -> None:
    unknown, sold_out = await terminal.run_each(
        (*MUG, "--card", "tok_unheard_of", "--order-id", "unknown-card"),
        ("place", "--item", "sold-out-scale=1", "--order-id", "sold-out", "--json"),
    )
    assert (unknown.code, sold_out.code) == (1, 1)
    assert (unknown.err, sold_out.err) == ("", "")
    assert unknown.out.startswith("✗ unknown-card rejected  12.00 EUR\n  PaymentDeclined: there is no such card token")
    assert sold_out.document["reason"] == "OutOfStock: sold-out-scale: 1 wanted, 0 on hand"


async def test_the_same_id_twice_is_one_order_and_other_content_is_refused(terminal: Terminal) -> None:
    same = (*MUG, "--order-id", "twice", "--json")
    first, again, other = await terminal.run(*same), await terminal.run(*same), await terminal.run(*same, "--city", "x")
    assert (first.code, again.code) == (0, 0)
    assert again.document == first.document
    assert "order twice exists already, with another content" in other.complaint
    assert terminal.books("twice").charges == [(1200, "EUR")]


async def test_one_bad_line_of_a_file_and_nothing_is_placed(terminal: Terminal, tmp_path: Path) -> None:
    good = [sample_order() for _ in range(4)]
    lines = json_lines(*good[:2]) + json.dumps(line(quantity=-1)) + "\n" + json_lines(*good[2:])
    file = tmp_path / "orders.jsonl"
    file.write_text(lines)
    assert "line 3: lines.0.quantity" in (await terminal.run("place", "--file", str(file))).complaint
    for ran in await terminal.run_each(*(("status", order.order_id) for order in (good[0], good[3]))):
        assert "there is no order" in ran.complaint


async def test_a_hundred_json_lines_of_standard_input_end_in_their_order(terminal: Terminal) -> None:
    changes: list[dict[str, Any]] = [{}, {}, {"payment_token": "tok_chargeDeclined"}, {}, undeliverable()]
    orders = [sample_order("many", **changes[number % 5]) for number in range(100)]
    ran = await terminal.run_alone("place", "--file", "-", "--json", stdin=json_lines(*orders))
    expected = ["completed", "completed", "rejected", "completed", "rejected"] * 20
    assert ran.code == 1
    assert [(each["order_id"], each["status"]) for each in ran.document] == [
        (order.order_id, status) for order, status in zip(orders, expected, strict=True)
    ]


async def test_many_orders_are_counted_and_those_in_trouble_listed(terminal: Terminal, tmp_path: Path) -> None:
    good, bad = sample_order(), sample_order(payment_token="tok_chargeDeclined")
    file = tmp_path / "orders.json"
    file.write_text(json.dumps([order.model_dump(mode="json") for order in (good, good, bad)]))
    ran = await terminal.run("place", "--file", str(file))
    assert ran.code == 1
    assert _cells(ran.out, "completed") == ["completed", "1"]
    assert _cells(ran.out, bad.order_id)[:3] == [bad.order_id, "orchestration", "✗ rejected"]
    assert good.order_id not in ran.out


async def test_a_file_with_one_order_is_that_order(terminal: Terminal, tmp_path: Path) -> None:
    order = sample_order()
    file = tmp_path / "order.json"
    file.write_text(order.model_dump_json(indent=2))
    ran = await terminal.run("place", "--file", str(file), "--json")
    assert ran.code == 0
    assert ran.document["order_id"] == order.order_id


# Status, watch and list


async def test_an_order_that_is_not_waited_for_can_be_watched(terminal: Terminal) -> None:
    placed = await terminal.run(*MUG, "--order-id", "slow-1", "--no-wait", "--json")
    assert (placed.code, placed.document["status"]) == (0, "in-progress")
    watched, as_json = await terminal.run_each(("watch", "slow-1"), ("watch", "slow-1", "--json"))
    assert (watched.code, as_json.code) == (0, 0)
    assert _cells(watched.out, "shipping.ship") == ["shipping.ship", "done"]
    assert "✓ slow-1 completed" in watched.out
    assert as_json.document["status"] == "completed"


async def test_the_status_of_a_rejected_order_shows_what_was_undone(terminal: Terminal) -> None:
    order = sample_order(**undeliverable())
    await terminal.has_had(order)
    shown, as_json = await terminal.run_each(("status", order.order_id), ("watch", order.order_id, "--json"))
    assert (shown.code, as_json.code) == (1, 1)
    assert _cells(shown.out, "shipping.ship") == ["shipping.ship", "refused", "Undeliverable: no courier goes to AQ"]
    assert _cells(shown.out, "payments.refund") == ["payments.refund", "undone"]
    states = {step["step"]: step["state"] for step in as_json.document["steps"]}
    assert states["inventory.release"] == states["orders.reject"] == "undone"


async def test_an_unknown_order_is_no_order_to_any_command(terminal: Terminal) -> None:
    for ran in await terminal.run_each(("status", "nobody"), ("watch", "no body/ü"), ("resolve", "nobody", "retry")):
        assert "there is no order no" in ran.complaint
        assert "'starter.py list' shows those that are" in ran.complaint


@pytest.mark.parametrize("order_id", ["x" * 5000, "a\udcffb"], ids=["long", "bytes"])
async def test_an_id_that_no_order_can_have_is_refused(terminal: Terminal, order_id: str) -> None:
    assert (await terminal.run("status", order_id)).complaint


async def test_orders_are_listed_by_status_the_newest_first(terminal: Terminal) -> None:
    older, newer = (sample_order("listed", payment_token="tok_chargeDeclined") for _ in range(2))
    await terminal.has_had(older)
    await terminal.has_had(newer)

    async def listed() -> list[Any]:
        ran = await terminal.run("list", "--status", "rejected", "--limit", "2", "--json")
        assert ran.code == 0
        return [order["order_id"] for order in ran.document]

    async with asyncio.timeout(30):  # the server's index follows a little later
        while await listed() != [newer.order_id, older.order_id]:
            pass
    shown, needing = await terminal.run_each(("list", "--limit", "1"), ("list", "--status", "needs-attention"))
    listed_as = [newer.order_id, "orchestration", "✗ rejected", "ended", "PaymentDeclined"]
    assert _cells(shown.out, newer.order_id) == listed_as
    assert older.order_id not in shown.out
    assert (needing.code, needing.out) == (0, "No order is needs-attention.\n")


# Cancel, review and resolve


async def test_a_held_order_is_approved_declined_or_cancelled(terminal: Terminal) -> None:
    machine = (OrderLine(sku="espresso-machine", quantity=1),)
    await terminal.has_had(*(sample_order(order_id=name, lines=machine) for name in ("held-2", "held-3")))
    held = await terminal.run("place", "--item", "espresso-machine=1", "--order-id", "held-1")
    assert (held.code, held.err) == (0, "")
    assert "… held-1 in-progress" in held.out
    assert "PossibleFraud: large amount (score 50)" in held.out
    assert "decide: starter.py review held-1 approve, or decline" in held.out
    needless = await terminal.run("resolve", "held-1", "retry")
    assert "order held-1: the order does not need attention" in needless.complaint

    approved, declined, cancelled = await terminal.run_each(
        ("review", "held-1", "approve", "--note", "known to us"),
        ("review", "held-2", "decline", "--note", "a stolen card", "--json"),
        ("cancel", "held-3", "--reason", "changed my mind", "--json"),
    )
    assert (approved.code, declined.code, cancelled.code) == (0, 0, 0)
    assert "✓ held-1 completed  1299.00 EUR" in approved.out
    assert declined.document["reason"] == "FraudConfirmed: declined in review: a stolen card"
    assert cancelled.document["status"] == "cancelled"
    assert cancelled.document["reason"] == "Cancelled by the customer: changed my mind"

    late = await terminal.run_each(("cancel", "held-1"), ("review", "held-2", "approve"), ("status", "held-3"))
    assert "order held-1 has ended already: completed" in late[0].complaint
    assert "order held-2 has ended already: rejected" in late[1].complaint
    assert late[2].code == 1


async def test_an_order_that_needs_attention_is_tried_again_and_settled_by_hand(terminal: Terminal) -> None:
    """Its refund is refused whenever it is asked for."""
    placed = await terminal.run(*MUG, "--country", "AQ", "--order-id", "stuck-1")
    assert placed.code == 1
    assert "! stuck-1 needs-attention" in placed.out
    assert "cannot be done: payments.refund: CannotUndo" in placed.out
    assert "settle it: starter.py resolve stuck-1 retry, or resolved --note TEXT" in placed.out

    review, cancel = await terminal.run_each(("review", "stuck-1", "approve"), ("cancel", "stuck-1"))
    assert "order stuck-1: the order is not held for review" in review.complaint
    assert "it is too late to cancel: the order is being undone already" in cancel.complaint

    retried = await terminal.run("resolve", "stuck-1", "retry")
    assert retried.code == 1
    assert "! stuck-1 needs-attention" in retried.out

    settled = await terminal.run("resolve", "stuck-1", "resolved", "--note", "paid back in cash", "--json")
    assert settled.code == 0
    assert settled.document["status"] == "rejected"
    by_hand = {"step": "payments.refund", "state": "settled by hand", "detail": "paid back in cash"}
    assert by_hand in settled.document["steps"]
    audit = await terminal.run("audit")
    assert audit.code == 0
    assert "settled by hand: stuck-1: payments.refund: CannotUndo: payments.refund says no – paid back" in audit.out


# Catalogue and audit


async def test_the_catalogue_shows_prices_and_what_is_on_hand(terminal: Terminal) -> None:
    shown, as_json = await terminal.run("catalogue"), run_here(terminal.environment, "catalogue", "--json")
    assert (shown.code, as_json.code) == (0, 0)
    assert _cells(shown.out, "last-kettle") == ["last-kettle", "Copper kettle, discontinued", "89.00 EUR", "1"]
    offers = {offer["sku"]: offer for offer in as_json.document}
    assert offers["roaster"]["unit_price"] == {"amount": 1_190_000, "currency": "EUR"}
    assert offers["sold-out-scale"]["on_hand"] == 0


@pytest.fixture(scope="module")
async def books_of_three(terminal: Terminal) -> Path:
    """The data of a shop with one order completed, one rejected after its charge, and one declined."""
    await terminal.has_had(
        sample_order(order_id="good"),
        sample_order(order_id="refunded", **undeliverable()),
        sample_order(order_id="declined", payment_token="tok_chargeDeclined"),
    )
    async with asyncio.timeout(60):
        while any(one["behind"] for one in (await run_inside(terminal.environment, *CONSUMERS)).document):
            await asyncio.sleep(0.1)
    return terminal.settings.data_dir


CONSUMERS = ("events", "consumers", "--json")


def _add_parcel(key: str) -> str:
    return f"INSERT INTO parcels VALUES ('{key}', 'booked', 'TRK1', '', '', 0)"


def _add_charge(key: str) -> str:
    return f"INSERT INTO ledger VALUES ('{key}', 'charged', 'ch_1', 1200, 0, 'EUR', 'tok_visa', '')"


STOCK = ("", "stock adds up")
GOOD_CHARGE, GOOD_PARCEL = "WHERE key = 'good:charge'", "WHERE key = 'good:ship'"


@pytest.mark.parametrize(
    ("database", "tampering", "found"),
    [
        (
            "gateway",
            f"DELETE FROM ledger {GOOD_CHARGE}",
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            f"UPDATE ledger SET amount = 1100 {GOOD_CHARGE}",
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            f"UPDATE ledger SET refunded = 1 {GOOD_CHARGE}",
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            f"UPDATE ledger SET currency = 'USD' {GOOD_CHARGE}",
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            _add_charge("good:again"),
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            "UPDATE ledger SET refunded = 0 WHERE key = 'refunded:charge'",
            [("refunded", "rejected: no money kept"), ("refunded", "payments agree with the processor")],
        ),
        (
            "gateway",
            _add_charge("declined:again"),
            [("declined", "rejected: no money kept"), ("declined", "payments agree with the processor")],
        ),
        (
            "gateway",
            _add_charge("nobody:charge"),
            [("nobody", "without an order: no money kept"), ("nobody", "payments agree with the processor")],
        ),
        (
            "payments",
            "DELETE FROM payments WHERE order_id = 'good'",
            [("good", "payments agree with the processor"), ("good", "records agree with operations")],
        ),
        ("courier", _add_parcel("good:again"), [("good", "completed: shipped once")]),
        (
            "courier",
            f"UPDATE parcels SET status = 'cancelled' {GOOD_PARCEL}",
            [("good", "completed: shipped once"), ("good", "shipments agree with the courier")],
        ),
        (
            "courier",
            _add_parcel("declined:ship"),
            [("declined", "rejected: nothing shipped"), ("declined", "shipments agree with the courier")],
        ),
        (
            "shipping",
            "UPDATE shipments SET status = 'cancelled' WHERE order_id = 'good'",
            [("good", "shipments agree with the courier"), ("good", "records agree with operations")],
        ),
        ("inventory", "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'mug'", [STOCK]),
        ("inventory", "UPDATE stock SET received = received + 1 WHERE sku = 'mug'", [STOCK]),
        (
            "inventory",
            "INSERT INTO reservations VALUES ('declined', 'mug', 1);"
            "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'mug'",
            [("declined", "rejected: no stock held"), ("declined", "records agree with operations")],
        ),
        (
            "inventory",
            "DELETE FROM reservations WHERE order_id = 'good'",
            [("good", "completed: stock taken once"), ("good", "records agree with operations"), STOCK, STOCK],
        ),
        (
            "fraud",
            "DELETE FROM screenings WHERE order_id = 'good'",
            [("good", "shipped only when cleared of fraud"), ("good", "records agree with operations")],
        ),
        (
            "orders",
            "DELETE FROM order_lines WHERE order_id = 'good'; DELETE FROM orders WHERE order_id = 'good'",
            [
                ("good", "without an order: no money kept"),
                ("good", "without an order: no stock held"),
                ("good", "without an order: nothing shipped"),
                ("good", "records agree with operations"),
            ],
        ),
    ],
)
def test_the_audit_finds_what_was_tampered_with(
    terminal: Terminal,
    books_of_three: Path,
    tmp_path: Path,
    database: str,
    tampering: str,
    found: list[tuple[str, str]],
) -> None:
    audited = _audit_after(terminal, books_of_three, tmp_path, database, tampering)
    named = [(v["order_id"], v["invariant"]) for v in audited.document["violations"]]
    assert audited.code == 1
    assert [each for each in found if named.count(each) < found.count(each)] == []


async def test_the_audit_of_a_shop_that_is_right_and_of_one_that_is_not(
    terminal: Terminal, books_of_three: Path, tmp_path: Path
) -> None:
    """As a person reads it, in processes of its own."""
    right, wrong = _copy(books_of_three, tmp_path / "right"), _copy(books_of_three, tmp_path / "wrong")
    _tamper(wrong, "courier", _add_parcel("good:again"))
    _tamper(wrong, "inventory", "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'mug'")
    clean, found = await asyncio.gather(
        terminal.run("audit", DATA_DIR=str(right)), terminal.run("audit", DATA_DIR=str(wrong))
    )
    assert (clean.code, clean.err) == (0, "")
    assert "orders: money, stock and parcels add up" in clean.out
    assert (found.code, found.err) == (1, "")
    assert "✗ good: completed: shipped once: 2 parcels\n" in found.out
    assert "✗ as a whole: stock adds up: mug: " in found.out
    assert "2 violations over" in found.out


async def test_the_audit_of_all_that_happened_here_finds_nothing(terminal: Terminal) -> None:
    ran = await terminal.run("audit", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.document["violations"] == []
    assert ran.document["orders"] == sum(ran.document["by_status"].values())


def _audit_after(terminal: Terminal, data: Path, copy: Path, database: str, tampering: str) -> Ran:
    _tamper(_copy(data, copy), database, tampering)
    return run_here(terminal.environment | {"DATA_DIR": str(copy)}, "audit", "--json")


def _copy(data: Path, copy: Path) -> Path:
    """All databases, each as it stands, while the worker has them open."""
    copy.mkdir(exist_ok=True)
    for database in sorted(path.name for path in data.glob("*.db") if path.stem in (*DATABASES, "audit_log")):
        with closing(sqlite3.connect(data / database)) as here, closing(sqlite3.connect(copy / database)) as there:
            here.backup(there)
    return copy


def _tamper(data: Path, database: str, tampering: str) -> None:
    with closing(sqlite3.connect(data / f"{database}.db")) as connection:
        connection.executescript(tampering)


def _cells(table: str, first: str) -> list[str]:
    """The cells of the row that begins so, without those that are empty."""
    row = next(row for row in table.splitlines() if first in row)
    return [cell.strip() for cell in row.strip("│┃ ").split("│") if cell.strip()]
