"""What docs/adding-a-service.md says is so: its quotes are in the files, and on a copy of the tree the walk works."""

import asyncio
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from audit.books import OrderBooks, read
from choreography.reactions import REACTIONS
from client.order import Order, OrderLine
from kernel.contracts import Event, Style
from kernel.database import Database
from lab.settings import LabSettings
from services import SERVICES
from services.fraud import events as told_by_fraud
from services.fraud.declaration import FRAUD
from tests.choreographed import clients_of
from tests.processes import Environment, Ran, WorkerUnderTest, environment_of, run
from tests.shop import sample_order, undeliverable

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding-a-service.md").read_text()
NAMESPACE = "roles"
NAMES = tuple(service.name for service in SERVICES)

# Who is started anew in each style; whoever is not listed goes on with the old code.
NEW_ROLES = {Style.ORCHESTRATION: ("saga", "relay"), Style.CHOREOGRAPHY: ("choreography", "relay")}

WORKFLOW, TABLE = "workflows/order_saga.py", "choreography/reactions.py"
# What decides, and what knows where an order stands.
DECIDING = {
    Style.ORCHESTRATION: (WORKFLOW, "workflows/commands.py", "workflows/contracts.py"),
    Style.CHOREOGRAPHY: (
        TABLE,
        "choreography/commands.py",
        "choreography/events.py",
        "choreography/deadlines.py",
        "cli/order_from_events.py",
    ),
}
OF_FRAUD = re.compile(r"fraud|review|screen|verdict|_held|cleared", re.IGNORECASE)

# The walk's headings, what the page's table calls them, and where the flow itself is.
PARTS = {
    "Both styles": ("both styles", ""),
    "Orchestrated": ("orchestrated", "workflows/"),
    "Choreographed": ("choreographed", "choreography/"),
    "Tests": ("tests", ""),
}

_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """Code on the page, under the headings that say for which part of it, and for which file."""

    part: str
    path: str
    is_new: bool
    language: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def count(self, sign: str) -> int:
        return sum(line.startswith(sign) for line in self.lines)

    @property
    def hunks(self) -> list[tuple[list[str], list[str]]]:
        """The lines to be found in the file, and those to be there instead, for each place."""
        places: list[tuple[list[str], list[str]]] = [([], [])]
        for line in self.lines:
            if line == "@@":
                places.append(([], []))
                continue
            sign, content = line[:1] or " ", line[1:]
            assert sign in " +-", f"{self.path}: {line}"
            if sign != "+":
                places[-1][0].append(content)
            if sign != "-":
                places[-1][1].append(content)
        return places


def _blocks() -> Iterator[Block]:
    part, heading, fence, lines = "", "", "", list[str]()
    for line in PAGE.splitlines():
        if fence and line == "```":
            paths = re.findall(r"`([\w./-]+)`", heading)
            yield Block(part, paths[0] if paths else "", heading.startswith("New: "), fence, tuple(lines))
            fence, lines = "", []
        elif fence:
            lines.append(line)
        elif line.startswith("```"):
            fence = line[3:]
        elif line.startswith("## "):
            part, heading = line[3:].partition(":")[0], ""
        elif line.startswith("### "):
            heading = line[4:]


BLOCKS = tuple(_blocks())
QUOTES = [block for block in BLOCKS if block.part.startswith("Fraud")]
WALK = [block for block in BLOCKS if block.part in PARTS and block.path and block.language in ("python", "diff")]
COMMANDS = [line for block in BLOCKS if block.language == "sh" for line in block.lines]


# Those on the page that are quick, and the replay of what it has recorded.
TESTS = (
    "tests/services/test_wrapping.py",
    "tests/workflows/test_replay.py",
    "tests/choreography/test_orders.py::test_each_service_speaks_once_and_nobody_else",
    "tests/choreography/test_orders.py::test_an_order_ends_only_when_nothing_is_left_of_it",
    "tests/test_schemas.py::test_whatever_the_services_publish_keeps_to_its_schema_and_is_told_by_them",
    "tests/test_compose.py::test_every_role_of_the_worker_is_a_service",
    "tests/test_compose.py::test_every_database_is_made",
    "tests/test_readme.py::test_the_sagas_lines_are_the_sagas_own",
)


# Fraud


def test_every_quoted_line_is_in_the_file_it_is_quoted_from() -> None:
    assert {block.path for block in QUOTES} == {WORKFLOW, TABLE}
    assert [block.text for block in QUOTES if f"\n{block.text}" not in (ROOT / block.path).read_text()] == []


@pytest.mark.parametrize("path", [WORKFLOW, TABLE])
def test_every_line_that_is_there_for_fraud_is_quoted(path: str) -> None:
    quoted = {line for block in QUOTES if block.path == path for line in block.lines}
    assert [line for line in _lines_of_fraud(path) if line not in quoted] == []


def test_the_lines_that_name_fraud_are_counted() -> None:
    table = {style: [f"`{path}` | {len(_lines_of_fraud(path))}" for path in DECIDING[style]] for style in Style}
    for style, counted in table.items():
        total = sum(len(_lines_of_fraud(path)) for path in DECIDING[style])
        for cell in (*counted, f"**together** | **{total}**"):
            assert f"| {cell} |" in PAGE, f"{style}: {cell}"


def test_fraud_changed_what_every_other_service_does_in_the_choreography() -> None:
    told = {kind for kind in vars(told_by_fraud).values() if isinstance(kind, type) and issubclass(kind, Event)}
    others = {line.service.name for line in REACTIONS if line.service is not FRAUD and told & set(line.after)}
    assert others == set(NAMES) - {"fraud"}
    assert f"changed what {_and(service for service in NAMES if service in others)} do" in " ".join(PAGE.split())


def _lines_of_fraud(path: str) -> list[str]:
    return [line for line in (ROOT / path).read_text().splitlines() if OF_FRAUD.search(line)]


def _and(names: Iterator[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}"


# The walk


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree with everything done that the page says."""
    tree = tmp_path_factory.mktemp("adding") / "tree"
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", *ignored))
    for block in WALK:
        _do(block, tree / block.path)
    for command in COMMANDS:
        if command not in ("make check", "make test"):
            _make(tree, command)
    return tree


def _do(block: Block, file: Path) -> None:
    if block.is_new:
        assert not file.exists(), f"{block.path} is not new"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
        return
    content = file.read_text()
    for before, after in block.hunks:
        found, instead = ("".join(f"\n{line}" for line in lines) + "\n" for lines in (before, after))
        assert f"\n{content}".count(found) == 1, f"{block.path} has not once:{found}"
        content = f"\n{content}".replace(found, instead)[1:]
    file.write_text(content)


def _make(tree: Path, command: str) -> None:
    """What make would run, with the Python that runs this: make itself would set up a .venv first."""
    target = command.removeprefix("make ")
    recipe = re.search(rf"^{target}:.*\n\t@\$\(BIN\)/python (.+)", (tree / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None, command
    _run(tree, sys.executable, *recipe[1].replace("$(ARGS)", "").split())


def _run(tree: Path, *command: str) -> None:
    ran = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}{ran.stderr}"


def test_what_was_added_passes_the_checks(copy: Path) -> None:
    files = sorted({block.path for block in WALK if block.path.endswith(".py")})
    _run(copy, sys.executable, "-m", "ruff", "check", *files)
    _run(copy, sys.executable, "-m", "ruff", "format", "--check", *files)
    _run(copy, sys.executable, "-m", "mypy", *files)
    _run(copy, str(Path(sys.executable).with_name("lint-imports")))
    _run(copy, sys.executable, "-m", "schemas", "--check")


def test_its_tests_pass_and_those_that_know_every_step(copy: Path) -> None:
    _run(copy, sys.executable, "-m", "pytest", "-k", "not postgresql", *TESTS)


def test_nothing_that_was_told_before_is_told_otherwise(copy: Path) -> None:
    before, after = (
        {file.name: file.read_text() for file in (tree / "docs/events").iterdir()} for tree in (ROOT, copy)
    )
    changed = [name for name, schema in before.items() if after[name] != schema]
    assert changed == ["asyncapi.json"]
    assert len(after) - len(before) == 3
    assert "| events of before that changed | none | none |" in PAGE


def test_nothing_inside_a_service_of_before_is_touched() -> None:
    services = {block.path for block in WALK if block.path.startswith("services/") and not block.is_new}
    assert services == {"services/faults.py"}
    assert "| files touched inside a service of before | none | none |" in PAGE


def test_the_blocks_are_counted() -> None:
    assert [row for row in took() if row not in PAGE] == []


def took() -> list[str]:
    """The rows of the page's table."""
    rows = []
    for title, (name, flow) in PARTS.items():
        of = [block for block in WALK if block.part == title]
        rows.append(_row(name, of))
        if flow:
            rows.append(_row(f"of that, in `{flow}`", [block for block in of if block.path.startswith(flow)]))
    return rows


def _row(name: str, blocks: Sequence[Block]) -> str:
    changed, new = [block for block in blocks if not block.is_new], [block for block in blocks if block.is_new]
    went_in, went_out = (sum(block.count(sign) for block in changed) for sign in "+-")
    files, lines = len({block.path for block in changed}), sum(len(block.lines) for block in new)
    return f"| {name} | {files} | +{went_in} −{went_out} | {len(new)} | {lines} |"


# Orders, before and after


@dataclass(frozen=True)
class Orders:
    """What became of orders; those held and the `large_before` were placed when nobody wrapped."""

    tree: Path
    environment: Environment
    settings: LabSettings
    held: dict[Style, Order]
    large_before: Order
    told_of_large_before: list[str]
    placed: dict[Style, dict[str, Order]]
    states: dict[str, Any]
    settled: list[Any]
    wrapped: dict[str, int]
    audit: Ran

    def state(self, order: Order) -> Any:
        return self.states[order.order_id]

    def done(self, order: Order, *steps: str) -> bool:
        """Whether they were done, in this order."""
        reported = [report["step"] for report in self.state(order)["steps"] if report["state"] == "done"]
        return [step for step in reported if step in steps] == list(steps)

    def books(self, order: Order) -> OrderBooks:
        return read(self.settings).orders[order.order_id]


LARGE = (OrderLine(sku="mug", quantity=21),)
SUSPICIOUS = (OrderLine(sku="espresso-machine", quantity=1),)
STYLES = pytest.mark.parametrize("style", Style)


@pytest.fixture(scope="module")
def changed(copy: Path) -> dict[str, bool]:
    """Of each service of before, whether its lines of the table are others now."""
    show = (
        "from choreography.reactions import *; print(*(f'{line.service.name} {line}' for line in REACTIONS), sep='\\n')"
    )
    tables = []
    for tree in (ROOT, copy):
        ran = subprocess.run([sys.executable, "-c", show], cwd=tree, capture_output=True, text=True, check=True)
        tables.append([re.sub(r" at 0x\w+", "", line) for line in ran.stdout.splitlines()])
    old, new = tables
    return {
        service: [line for line in old if line.startswith(f"{service} ")]
        != [line for line in new if line.startswith(f"{service} ")]
        for service in NAMES
    }


@pytest.fixture(scope="module")
async def orders(
    copy: Path, changed: dict[str, bool], server: LabSettings, tmp_path_factory: pytest.TempPathFactory
) -> Orders:
    """First the old workers run everything; then those that need not change go on, and new ones have the rest."""
    policy = server.policy.model_copy(update={"review_deadline": 600})
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("wrapped"), "policy": policy})
    environment = environment_of(settings, NAMESPACE)
    stuck = {"FAULTS": "wrapping.unwrap=refuse:*@stuck-*"}
    held = {style: sample_order(f"held-{style}", lines=SUSPICIOUS) for style in Style}
    large = sample_order("large-before", lines=LARGE)
    placed = {
        style: {
            "good": sample_order(f"good-{style}"),
            "large": sample_order(f"large-{style}", lines=LARGE),
            "undeliverable": sample_order(f"far-{style}", **undeliverable()),
            "stuck": sample_order(f"stuck-{style}", **undeliverable()),
        }
        for style in Style
    }
    choreographed, orchestrated = Style.CHOREOGRAPHY, Style.ORCHESTRATION
    everything = ("saga", *NAMES, "relay", "choreography", "subscribers")
    async with _worker(ROOT, environment, NAMES, everything):
        await asyncio.gather(
            _place(ROOT, environment, orchestrated, held[orchestrated]),
            _place(ROOT, environment, choreographed, held[choreographed], large),
        )
    stay = [service for service in NAMES if not changed[service]]
    come = [*(service for service in NAMES if changed[service]), "wrapping"]
    async with (
        _worker(
            copy, environment | stuck, come, ("wrapping", *{role: None for of in NEW_ROLES.values() for role in of})
        ),
        _worker(ROOT, environment, stay, (*NAMES, "choreography", "subscribers")),
    ):
        told = await asyncio.gather(
            *(_place(copy, environment, style, *placed[style].values()) for style in Style),
            *(_starter(copy, environment, "review", held[style].order_id, "approve") for style in Style),
        )
        by_hand = await asyncio.gather(
            *(
                _starter(copy, environment, "resolve", of["stuck"].order_id, "resolved", "--note", "torn off")
                for of in placed.values()
            )
        )
        seen = await _starter(copy, environment, "status", large.order_id)
        async with clients_of(settings) as clients:
            await clients.heard("shipping", f"{large.order_id}:wrap:WrappingFailed")
            told_of_large = await clients.types(large)
    audit = await _starter(copy, environment, "audit")
    with closing(Database(settings.url_of("wrapping"), for_reading=True)) as database, database.begin() as tx:
        rows = tx.execute(text("SELECT order_id, pieces FROM wrappings"))
        wrapped = {str(order_id): int(pieces) for order_id, pieces in rows}
    several, single = [ran.document for ran in told[: len(Style)]], [ran.document for ran in told[len(Style) :]]
    states = {state["order_id"]: state for state in [*itertools.chain(*several), *single, seen.document]}
    settled = [ran.document for ran in by_hand]
    return Orders(copy, environment, settings, held, large, told_of_large, placed, states, settled, wrapped, audit)


@STYLES
def test_a_good_order_is_wrapped_and_ends_well(orders: Orders, style: Style) -> None:
    order = orders.placed[style]["good"]
    assert orders.state(order)["status"] == "completed"
    assert orders.wrapped[order.order_id] == 3
    assert orders.done(order, "payments.charge", "wrapping.wrap", "shipping.ship")


@STYLES
def test_a_gift_too_large_fails_its_order_and_leaves_nothing(orders: Orders, style: Style) -> None:
    order = orders.placed[style]["large"]
    assert orders.state(order)["status"] == "rejected"
    assert orders.state(order)["reason"] == "GiftTooLarge: 21 pieces, 20 at most"
    _nothing_is_left(orders, order)


@STYLES
def test_an_undeliverable_order_is_unwrapped(orders: Orders, style: Style) -> None:
    order = orders.placed[style]["undeliverable"]
    assert orders.state(order)["status"] == "rejected"
    assert orders.state(order)["reason"] == "Undeliverable: no courier goes to AQ"
    assert {"step": "wrapping.unwrap", "state": "undone", "detail": ""} in orders.state(order)["steps"]
    assert orders.done(order, "payments.charge", "wrapping.wrap")
    _nothing_is_left(orders, order)


@STYLES
def test_an_order_that_was_under_way_is_wrapped_before_it_is_shipped(orders: Orders, style: Style) -> None:
    order = orders.held[style]
    assert orders.state(order)["status"] == "completed"
    assert orders.done(order, "wrapping.wrap", "shipping.ship")


def test_an_order_that_was_shipped_before_is_left_alone(orders: Orders) -> None:
    assert orders.state(orders.large_before)["status"] == "completed"
    told = orders.told_of_large_before
    assert told.index("OrderCompleted") < told.index("WrappingFailed")
    books = orders.books(orders.large_before)
    assert (len(books.charges), books.refunded, books.parcels_booked) == (1, 0, 1)
    assert books.held == {"mug": 21}


@STYLES
def test_a_paper_that_does_not_come_off_needs_an_operator(orders: Orders, style: Style) -> None:
    order = orders.placed[style]["stuck"]
    assert orders.state(order)["status"] == "needs-attention"
    assert orders.state(order)["problems"] == ["wrapping.unwrap: CannotUndo: wrapping.unwrap says no"]
    assert [state["status"] for state in orders.settled if state["order_id"] == order.order_id] == ["rejected"]
    assert orders.books(order).charged == orders.books(order).refunded > 0
    assert orders.books(order).held == {}


def test_the_audit_finds_nothing(orders: Orders) -> None:
    assert orders.audit.document["violations"] == []
    assert orders.audit.document["by_status"] == {"completed": 5, "rejected": 6}


async def test_the_audit_would_find_a_paper_that_stayed_on(orders: Orders) -> None:
    order_id = orders.placed[Style.CHOREOGRAPHY]["undeliverable"].order_id
    with closing(Database(orders.settings.url_of("wrapping"))) as database, database.begin() as tx:
        tx.execute(text("INSERT INTO wrappings VALUES (:order_id, 3)"), {"order_id": order_id})
    audit = await _starter(orders.tree, orders.environment, "audit")
    found = [(one["order_id"], one["invariant"]) for one in audit.document["violations"]]
    assert found == [(order_id, "rejected: nothing wrapped")]


def test_who_went_on_as_they_were_is_as_the_page_says(changed: dict[str, bool], orders: Orders) -> None:
    assert orders.audit.code == 0
    others = [service for service in NAMES if changed[service]]
    stayed = [service for service in NAMES if not changed[service]]
    roles = (", ".join(f"`{role}`" for role in NEW_ROLES[style]) for style in (Style.ORCHESTRATION, Style.CHOREOGRAPHY))
    for row in (
        f"| roles started anew | {' | '.join(roles)} |",
        f"| services whose part of the flow changed | none | {', '.join(others)} |",
        f"| services that went on as they were | {', '.join(NAMES)} | {', '.join(stayed)} |",
    ):
        assert row in PAGE, row


def _nothing_is_left(orders: Orders, order: Order) -> None:
    books = orders.books(order)
    assert order.order_id not in orders.wrapped
    assert books.charged == books.refunded > 0
    assert books.held == {}
    assert books.parcels_booked == 0


# The programs of either tree. A worker has the reactions of some services only, as if each were deployed alone.

_PART_OF = """\
import sys
from wiring.bus import EventBus
from worker import Role, main

here, everyones = sys.argv[1].split(","), EventBus.reactions
EventBus.reactions = lambda eventing: [one for one in everyones(eventing) if one.name in here]
main([Role(role) for role in sys.argv[2:]])
"""


@asynccontextmanager
async def _worker(
    tree: Path, environment: Environment, reacting: Sequence[str], roles: Sequence[str]
) -> AsyncIterator[None]:
    log = Path(environment["DATA_DIR"]) / f"worker-of-{','.join(reacting)}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _PART_OF,
            ",".join(reacting),
            *roles,
            env=environment | {"PYTHONPATH": str(tree)},
            cwd=environment["DATA_DIR"],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    worker = WorkerUnderTest(process, log)
    try:
        await worker.says("ready: ")
        yield
    finally:
        await worker.end()


async def _place(tree: Path, environment: Environment, style: Style, *orders: Order) -> Ran:
    many = json.dumps([order.model_dump(mode="json") for order in orders])
    return await _starter(tree, environment, "place", "--style", style, "--file", "-", stdin=many)


async def _starter(tree: Path, environment: Environment, *arguments: str, stdin: str = "") -> Ran:
    ran = await run(str(tree / "starter.py"), environment, *arguments, "--json", stdin=stdin)
    assert ran.code < 2, ran
    return ran
