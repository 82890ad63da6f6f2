"""What cannot be done is refused in one line, and nothing is changed; no worker runs."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.settings import LabSettings
from services import SERVICES
from tests.cli.terminal import MUG, NAMESPACE, Terminal, document, json_lines, line
from tests.processes import NOBODY_LISTENS, ROOT, Ran, environment_of, run
from tests.shop import sample_order
from wiring.services import Services


@pytest.fixture(scope="module")
def terminal(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """In a shop whose catalogue is in its databases."""
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("terminal")})
    services = Services(settings)
    for service in SERVICES:
        services.open(service)
    services.close()
    return Terminal(settings, environment_of(settings, NAMESPACE))


def doubled(key: str) -> str:
    return json.dumps(document()).replace(f'"{key}"', f'"{key}": "first", "{key}"')


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
        (("place", "--item", "mug=0"), "✗ --item mug=0: must be at least 1"),
        (("place", "--item", "mug=-1"), "✗ --item mug=-1: must be at least 1"),
        (("place", "--item", "mug=10000"), "--item mug=10000: must be at most 9999"),
        (("place", "--item", "mug=" + "9" * 30), f"--item mug={'9' * 30}: must be at most 9999"),
        (("place", "--item", "mug=9999", "--item", "mug=1"), "--item mug=10000: must be at most 9999"),
        (("place", "--item", " mug=1", "--item", "mug=1"), "mug is on two lines"),
        (("place", "--item", "m\x07ug=1"), "must not have control characters"),
        (("place", "--item", "m\udcffug=1"), r"'m\udcffug=1' is not text: it has bytes that are not UTF-8"),
        ((*MUG, "--name", "J\udce9r"), r"'J\udce9r' is not text: it has bytes that are not UTF-8"),
        (("place", "--item", "unicorn=1"), "there is no product 'unicorn'; 'starter.py catalogue' shows what there is"),
        ((*MUG, "--card", "4242424242424242"), "--card: must be a card token such as tok_visa"),
        ((*MUG, "--card", ""), "--card: must not be empty"),
        ((*MUG, "--country", "Germany"), "--country: must be two letters of ISO 3166, such as DE"),
        ((*MUG, "--country", "D1"), "--country: must be two letters of ISO 3166, such as DE"),
        ((*MUG, "--country", ""), "--country: must be two letters of ISO 3166, such as DE"),
        ((*MUG, "--customer", ""), "--customer: must not be empty"),
        ((*MUG, "--customer", "a\nb"), "--customer: must not have control characters"),
        ((*MUG, "--name", "a\x1b[31mb"), "--name: must not have control characters"),
        (
            (*MUG, "--name", "a\u202eb"),
            "--name: must not have control characters, or characters that hide or turn",
        ),
        ((*MUG, "--name", "a\u2028b"), "--name: must not have control characters"),
        ((*MUG, "--name", "\u200d"), "--name: must have a character that can be seen"),
        ((*MUG, "--country", "XX"), "--country: XX is not an ISO 3166 country code"),
        ((*MUG, "--postal-code", ""), "--postal-code: must not be empty"),
        ((*MUG, "--city", "x" * 101), "--city: must have at most 100 characters"),
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
        (
            ("list", "--step", "payments.refnud"),
            "--step payments.refnud: there is no such step; there are: orders.create",
        ),
        (("resolve", "x", "retry", "--step", "refund"), "--step refund: there is no such step"),
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
        ("[1, 2]", "order 1: must be an object, in braces"),
        ("7", "must be an object, in braces"),
        ("null", "must be an object, in braces"),
        ("{}", "order_id: it is missing"),
        (document(lines=[]), "lines: must be 1 to 100 lines"),
        (document(lines={}), "lines: must be 1 to 100 lines"),
        (document(lines=[1, 2]), "lines[0]: must be an object, in braces"),
        (document(lines=[{"sku": "mug"}]), "lines[0].quantity: it is missing"),
        (document(lines=[{"sku": f"sku-{n}", "quantity": 1} for n in range(101)]), "lines: must be 1 to 100 lines"),
        (document(lines=[{"sku": f"sku-{n}", "quantity": 1} for n in range(10_000)]), "lines: must be 1 to 100 lines"),
        (document(lines=[{"sku": "mug", "quantity": 1}] * 2), "mug is on two lines"),
        (document(discount=100), "discount: there is no such field; remove it"),
        (document(total={"amount": 1, "currency": "EUR"}), "total: there is no such field"),
        (line(unit_price=1), "lines[0].unit_price: there is no such field"),
        (line(quantity=0), "lines[0].quantity: must be at least 1"),
        (line(quantity=-3), "lines[0].quantity: must be at least 1"),
        (line(quantity=10**15), "lines[0].quantity: must be at most 9999"),
        (line(quantity=10**40), "is too large: more than 64 bits"),
        (line(quantity=1.5), "lines[0].quantity: must be a whole number of pieces"),
        (line(quantity=True), "lines[0].quantity: must be a whole number of pieces"),
        (line(quantity="2"), "lines[0].quantity: must be a whole number of pieces"),
        (line(quantity=float("inf")), "Infinity is not a number in JSON"),
        (line(quantity=1.0), "lines[0].quantity: must be a whole number of pieces, such as 2, without quotes"),
        (line(quantity=2**63), "the number 9223372036854775808 is too large: more than 64 bits"),
        (doubled("order_id"), "the key 'order_id' occurs twice"),
        (doubled("city"), "the key 'city' occurs twice"),
        (line(quantity=None), "lines[0].quantity: must be a whole number of pieces"),
        (line(sku="unicorn"), "there is no product 'unicorn'"),
        (document(order_id=7), "order_id: must be 1 to 64 letters"),
        (document(order_id="../../etc"), "1 to 64 letters"),
        (document(customer_id="\ud800"), "customer_id: must be text"),
        (document(payment_token="4242424242424242"), "must be a card token"),
        (document(ship_to=None), "ship_to: must be an object"),
        (document(ship_to={}), "ship_to.name: it is missing"),
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


@pytest.mark.parametrize(
    ("encoding", "complaint"),
    [
        ("utf-16", "the text is UTF-16; save it as UTF-8"),
        ("utf-16-le", "not a text file in UTF-8: it has null characters, as UTF-16 has"),
        ("utf-32", "the text is UTF-32; save it as UTF-8"),
        ("latin-1", "not a text file: byte"),
    ],
)
def test_a_text_in_another_encoding_is_named(terminal: Terminal, encoding: str, complaint: str) -> None:
    text = json.dumps(document(customer_id="Jérôme"), ensure_ascii=False)
    assert complaint in terminal.refuses("place", "--file", "-", stdin=text.encode(encoding))


def test_a_mark_and_the_ends_of_lines_of_another_system_are_no_mistake(terminal: Terminal) -> None:
    """The orders are read; what is refused is the server, which is nowhere."""
    one, other = document(customer_id="a\u2028b".replace("\u2028", "")), document(order_id="other")
    text = "\ufeff" + "\r\n".join(json.dumps(each, ensure_ascii=False) for each in (one, other)) + "\r\n"
    assert "cannot reach the Temporal server" in terminal.refuses("place", "--file", "-", stdin=text.encode())
    spoilt = text.replace("Berlin", "Ber\u2028lin").replace("other", "o ther")
    complaint = terminal.refuses("place", "--file", "-", stdin=spoilt.encode())
    assert "line 1: ship_to.city" in complaint  # U+2028 ends no line
    assert "line 2: order_id" in complaint


def test_a_bad_line_of_many_is_named(terminal: Terminal) -> None:
    first, last = sample_order(), sample_order()
    many = [first.model_dump_json(), json.dumps(line(quantity=0)), last.model_dump_json()]
    assert "line 2: lines[0].quantity: must be at least 1" in terminal.refuses(
        "place", "--file", "-", stdin="\n".join(many)
    )
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
        ("UI_PORT", "abc", "UI_PORT: must be a whole number"),
        ("TEMPORAL_PORT", "99999", "TEMPORAL_PORT: must be at most 65535"),
        ("DATABASE_URL", "sqlite:///all.db", "DATABASE_URL: each service has a database of its own"),
        ("DATABASE_URL", "nonsense {service}", "the database URL of orders is not a URL"),
        ("DATABASE_URL", "mysql://host/{service}", "the database of orders is mysql; it can be sqlite or postgresql"),
        ("DATABASES", "nonsense", "DATABASES: not JSON"),
        ("DATABASES", '{"bus": "sqlite:///a.db", "bus": "sqlite:///b.db"}', "DATABASES: the key 'bus' occurs twice"),
        ("DATABASES", "[1]", "DATABASES: must be an object"),
        ("DATABASES", '{"ledger": "sqlite:///a.db"}', "DATABASES: 'ledger' is no database"),
        ("POLICY__STEP_DEADLINE", "soon", "POLICY__STEP_DEADLINE: must be a number"),
        ("POLICY__ATTEMPT_TIMEOUT", "-1", "POLICY__ATTEMPT_TIMEOUT: must be more than 0"),
        ("FRAUD__LARGE_AMOUNT", "much", "FRAUD__LARGE_AMOUNT: must be a whole number"),
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
