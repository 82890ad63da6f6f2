"""What docs/adding-a-service.md says is so: its quotes are in the files, and on a copy of the tree its files work."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from client.order import Order
from kernel.contracts import Style
from kernel.database import Database
from lab.settings import LabSettings
from tests.processes import Ran, environment_of, run, worker_process
from tests.shop import sample_order, undeliverable

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding-a-service.md").read_text()
CHOOSING = (ROOT / "docs" / "choosing.md").read_text()
FILES = ROOT / "docs" / "adding-a-service" / "files"
PATCH = ROOT / "docs" / "adding-a-service" / "existing.patch"
NEW = sorted(str(path.relative_to(FILES)) for path in FILES.rglob("*.py"))
NAMESPACE = "roles"
STYLES = pytest.mark.parametrize("style", Style)

_SECONDS = 300

WORKFLOW, TABLE = "workflows/order_saga.py", "choreography/reactions.py"
# What decides, and what knows where an order stands.
DECIDING = {
    Style.ORCHESTRATION: (WORKFLOW, "workflows/commands.py", "workflows/fraud_review.py"),
    Style.CHOREOGRAPHY: (
        TABLE,
        "choreography/commands.py",
        "choreography/events.py",
        "choreography/deadlines.py",
        "choreography/projection.py",
    ),
}
OF_FRAUD = re.compile(r"fraud|review|screen|verdict|_held|cleared", re.IGNORECASE)
# The rows of the page's table, by where a file is.
ROWS = {
    "the service and its tests": ("services/", "tests/"),
    "orchestrated": ("activities/", "workflows/"),
    "choreographed": ("choreography/",),
    "deployment": ("docker-compose.yml",),
}


@dataclass(frozen=True)
class Change:
    """What the patch does to one file, in lines."""

    added: int
    removed: int


def _changes() -> dict[str, Change]:
    changes: dict[str, Change] = {}
    for part in re.split(r"^diff --git .*\n", PATCH.read_text(), flags=re.MULTILINE)[1:]:
        path = re.search(r"^\+\+\+ b/(.+)$", part, re.MULTILINE)
        assert path is not None
        lines = part.partition("@@")[2].splitlines()
        added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
        changes[path[1]] = Change(added, removed)
    return changes


CHANGES = _changes()


def _git_apply(tree: Path, *options: str) -> None:
    # Not the repository that the temporary folder may be in.
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent)}
    command = ["git", "apply", *options, str(PATCH)]
    ran = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def _copy(tree: Path) -> Path:
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()} - {"__pycache__"}
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", *ignored))
    return tree


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is without wrapping, also where somebody has followed the page."""
    tree = _copy(tmp_path_factory.mktemp("adding") / "before")
    if (tree / "services/wrapping").exists():
        _git_apply(tree, "--reverse")
        for path in NEW:
            (tree / path).unlink()
    return tree


@pytest.fixture(scope="module")
def after(before: Path) -> Path:
    """The tree with what the page adds."""
    tree = before.with_name("after")
    shutil.copytree(before, tree)
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", tree / ".mypy_cache")  # for a check that takes seconds
    shutil.copytree(FILES, tree, dirs_exist_ok=True)
    _git_apply(tree)
    _run(tree, "-m", "schemas")
    return tree


def _run(tree: Path, *arguments: str) -> None:
    command = (sys.executable, *arguments)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}{ran.stderr}"


# The page.


def _quotes() -> Iterator[tuple[str, str]]:
    """Each quote, with the heading that it is under."""
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        for quote in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
            yield section.partition("\n")[0], quote


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) <= 120


def test_every_quote_of_fraud_is_in_the_files(before: Path) -> None:
    quotes = [quote for heading, quote in _quotes() if "fraud" in heading]
    assert len(quotes) == 7
    found = "".join(f"\n{(before / path).read_text()}" for path in (WORKFLOW, TABLE))
    assert [quote for quote in quotes if f"\n{quote}" not in found] == []


def test_every_quote_of_wrapping_is_what_the_patch_adds() -> None:
    quotes = [quote for heading, quote in _quotes() if "wrapping" in heading]
    assert len(quotes) == 4
    added = "".join(f"\n{line[1:]}" for line in PATCH.read_text().splitlines() if line.startswith("+")) + "\n"
    assert [quote for quote in quotes if f"\n{quote}" not in added] == []


def test_the_files_are_counted() -> None:
    rows = [_row(name, *places) for name, places in ROWS.items()]
    everywhere = tuple(place for places in ROWS.values() for place in places)
    rows.append(_row("together", *everywhere).replace("| ", "| **").replace(" |", "** |"))
    assert [row for row in rows if row not in PAGE] == []


def _row(name: str, *places: str) -> str:
    new = [path for path in NEW if path.startswith(places)]
    lines = sum(len((FILES / path).read_text().splitlines()) for path in new)
    changed = [change for path, change in CHANGES.items() if path.startswith(places)]
    added, removed = sum(change.added for change in changed), sum(change.removed for change in changed)
    return f"| {name} | {len(new)} | {lines} | {len(changed)} | +{added} −{removed} |"


def test_few_existing_files_change_and_no_module_is_long(after: Path) -> None:
    assert len(CHANGES) <= 6
    lengths = {path: len((after / path).read_text().splitlines()) for path in CHANGES if path.endswith(".py")}
    # The story of the saga has the table of its steps beside it.
    most = {WORKFLOW: 175}
    assert {path: lines for path, lines in lengths.items() if lines > most.get(path, 150)} == {}


def test_no_other_service_is_touched() -> None:
    assert [path for path in CHANGES if path.startswith("services/")] == ["services/__init__.py"]


def test_what_choosing_a_style_counts_is_so(before: Path) -> None:
    fraud = {
        style: sum(bool(OF_FRAUD.search(line)) for path in paths for line in (before / path).read_text().splitlines())
        for style, paths in DECIDING.items()
    }
    workflows = CHANGES["workflows/order_saga.py"].added + CHANGES["workflows/commands.py"].added
    table = [change for path, change in CHANGES.items() if path.startswith("choreography/")]
    added, removed = sum(change.added for change in table), sum(change.removed for change in table)
    said = " ".join(CHOOSING.split())
    for claim in (
        f"Orchestrated: {workflows} lines in `workflows/`",
        f"Choreographed: {added} lines added and {removed} taken out in `choreography/`",
        f"named in {fraud[Style.ORCHESTRATION]} lines of three files in the orchestrated style",
        f"in {fraud[Style.CHOREOGRAPHY]} lines of five files in the choreographed one",
    ):
        assert claim in said


# The tree with what the page adds.


@pytest.mark.parametrize(
    "command",
    [
        "ruff check .",
        "ruff format --check .",
        f"mypy {' '.join([*NEW, *(path for path in CHANGES if path.endswith('.py'))])}",
        "activities",
        "choreography",
        "schemas --check",
        "pytest -k not·postgresql tests/services/test_wrapping.py tests/workflows/test_replay.py "
        "tests/choreography/test_completeness.py tests/test_activities.py tests/test_compose.py tests/test_readme.py",
    ],
)
def test_what_was_added_passes(after: Path, command: str) -> None:
    _run(after, "-m", *(word.replace("·", " ") for word in command.split()))


def test_its_borders_are_kept(after: Path) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports"))]
    ran = subprocess.run(command, cwd=after, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_no_event_of_before_is_another_now(before: Path, after: Path) -> None:
    old, new = ({file.name: file.read_text() for file in (tree / "docs/events").iterdir()} for tree in (before, after))
    assert [name for name, schema in old.items() if new.get(name) != schema] in ([], ["asyncapi.json"])
    assert {"GiftWrapped.schema.json", "GiftUnwrapped.schema.json"} <= new.keys()


@dataclass(frozen=True)
class Placed:
    """What became of an order that goes well and of one that cannot be delivered, in each style."""

    orders: dict[Style, tuple[Order, Order]]
    states: dict[str, Any]
    wrapped: dict[str, int]
    audit: Ran

    def steps(self, order: Order, state: str) -> list[str]:
        return [report["step"] for report in self.states[order.order_id]["steps"] if report["state"] == state]


@pytest.fixture(scope="module")
async def placed(after: Path, server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> Placed:
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("wrapped"), "faults": ""})
    environment = environment_of(settings, NAMESPACE) | {"PYTHONPATH": str(after)}
    orders = {
        style: (sample_order(f"good-{style}"), sample_order(f"far-{style}", **undeliverable())) for style in Style
    }
    worker, starter = str(after / "worker.py"), str(after / "starter.py")

    async def place(style: Style) -> list[Any]:
        lines = "\n".join(order.model_dump_json() for order in orders[style])
        ran = await run(starter, environment, "place", "--style", style, "--json", "--file", "-", stdin=lines)
        document: list[Any] = ran.document
        return document

    async with worker_process(environment, program=worker):
        found = await asyncio.gather(*map(place, Style))
    audit = await run(starter, environment, "audit", "--json")
    with closing(Database(settings.url_of("wrapping"), for_reading=True)) as database, database.begin() as tx:
        rows = tx.execute(text("SELECT order_id, pieces FROM wrappings"))
        wrapped = {str(order_id): int(pieces) for order_id, pieces in rows}
    return Placed(orders, {state["order_id"]: state for states in found for state in states}, wrapped, audit)


@STYLES
def test_a_good_order_is_wrapped_before_it_is_shipped(placed: Placed, style: Style) -> None:
    order, _ = placed.orders[style]
    assert placed.states[order.order_id]["status"] == "completed"
    done = placed.steps(order, "done")
    assert done.index("inventory.reserve") < done.index("wrapping.wrap") < done.index("shipping.ship")
    assert placed.wrapped[order.order_id] == 3


@STYLES
def test_an_undeliverable_order_is_unwrapped(placed: Placed, style: Style) -> None:
    _, order = placed.orders[style]
    assert placed.states[order.order_id]["status"] == "rejected"
    assert "wrapping.wrap" in placed.steps(order, "done")
    assert "wrapping.unwrap" in placed.steps(order, "undone")
    assert order.order_id not in placed.wrapped


def test_the_audit_finds_nothing(placed: Placed) -> None:
    assert placed.audit.code == 0
    assert placed.audit.document["violations"] == []
    assert placed.audit.document["by_status"] == {"completed": 2, "rejected": 2}
