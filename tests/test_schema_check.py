"""`python -m schemas`, as a developer runs it after a change of an event, on a copy of the project."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.contracts import FILE
from schemas.names import FOLDER

ROOT = Path(__file__).parent.parent

COMPLETED = '''class OrderCompleted(Event):
    """Paid and shipped."""

    customer_id: str
    total: Money
'''
INSTEAD = "publish a new one beside it"


class Ran(NamedTuple):
    code: int
    said: str
    done: str


class Project:
    """A copy, as far as the schemas go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.docs = root / FOLDER
        for folder in (
            "kernel",
            "schemas",
            "services",
            "choreography",
            "messaging",
            "client",
            "workflows",
            "activities",
            FOLDER,
        ):
            shutil.copytree(ROOT / folder, root / folder)
        shutil.copy(ROOT / FILE, root / FILE)

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text()
        assert old in text
        (self.root / file).write_text(text.replace(old, new))

    def edit_completed(self, fields: str) -> None:
        self.edit("services/orders/events.py", COMPLETED, COMPLETED.replace("    total: Money\n", fields))

    def run(self, *arguments: str) -> Ran:
        command = [sys.executable, "-m", "schemas", *arguments]
        ran = subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in ran.stderr
        return Ran(ran.returncode, ran.stderr, ran.stdout)

    def documents(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.docs.iterdir()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_without_a_change_there_is_nothing_to_say(project: Project) -> None:
    assert project.run("--check") == (0, "", "")
    assert project.run() == (0, "", "")


def test_a_change_that_nobody_need_know_of_is_written_when_asked_for(project: Project) -> None:
    project.edit_completed("    total: Money\n    gift: bool = False\n")
    before = project.documents()
    stale = f"{FOLDER}/OrderCompleted.schema.json is out of date; run `make schemas`\n"
    assert project.run("--check") == (1, stale, "")
    assert project.documents() == before
    assert project.run() == (0, "", f"{FOLDER}/OrderCompleted.schema.json is written\n")
    assert project.run("--check") == (0, "", "")


def test_a_breaking_change_is_refused_with_its_reason(project: Project) -> None:
    project.edit_completed("    sum: Money\n")
    before = project.documents()
    for arguments in (["--check"], []):
        ran = project.run(*arguments)
        assert ran.code == 1
        assert "OrderCompleted: `total` is gone; a consumer that reads it fails\n" in ran.said
        assert "OrderCompleted: `sum` is new and has no default; archived events do not have it\n" in ran.said
        assert INSTEAD in ran.said
    assert project.documents() == before


def test_a_breaking_change_is_written_when_somebody_says_so(project: Project) -> None:
    project.edit_completed("")
    ran = project.run("--allow-breaking")
    assert ran.code == 0
    assert ran.said == "OrderCompleted: `total` is gone; a consumer that reads it fails\n"
    assert project.run("--check") == (0, "", "")


def test_a_breaking_change_whose_documents_were_changed_with_it_breaks_the_last_release(project: Project) -> None:
    release = project.root / "release"
    shutil.copytree(project.docs, release)
    project.edit_completed("")
    project.run("--allow-breaking")
    assert project.run("--check").code == 0
    ran = project.run("--check", "--against", str(release))
    assert ran.code == 1
    assert ran.said.startswith("OrderCompleted: `total` is gone; a consumer that reads it fails\n")


def test_an_edit_by_hand_is_no_way_round(project: Project) -> None:
    """What `docs/events` says that the code never did is taken for a promise."""
    file = project.docs / "Shipped.schema.json"
    schema = json.loads(file.read_text())
    schema["properties"]["weight"] = {"type": "integer"}
    file.write_text(json.dumps(schema))
    ran = project.run("--check")
    assert ran.code == 1
    assert ran.said.startswith("Shipped: `weight` is gone; a consumer that reads it fails\n")


def test_the_type_of_an_event_is_permanent(project: Project) -> None:
    for file in ("services/orders/events.py", "services/orders/declaration.py"):
        project.edit(file, "OrderFlagged", "OrderMarked")
    ran = project.run("--check")
    assert ran.code == 1
    assert ran.said.startswith("OrderFlagged: no longer published, or under another name")
    assert project.run("--allow-breaking").code == 0
    assert (project.docs / "OrderMarked.schema.json").exists()
    assert not (project.docs / "OrderFlagged.schema.json").exists()


def test_the_envelope_is_permanent_too(project: Project) -> None:
    project.edit("kernel/envelope.py", "    causationid: _Id\n", "    causationid: _Id | None\n")
    ran = project.run("--check")
    assert ran.code == 1
    assert ran.said.startswith("CloudEvent: `causationid` may be null; a consumer that reads it does not expect that\n")


def test_another_reaction_changes_the_bus_document_and_breaks_nobody(project: Project) -> None:
    line = "    orders.does(OrdersPort.complete, commands.complete, after=(Shipped,)),\n"
    project.edit("choreography/reactions.py", line, "")
    ran = project.run("--check")
    assert ran == (1, f"{FOLDER}/asyncapi.json is out of date; run `make schemas`\n", "")


def test_no_documents_at_all_are_written_again(project: Project) -> None:
    before = project.documents()
    shutil.rmtree(project.docs)
    assert project.run("--check").said.count("run `make schemas`") == len(before)
    assert project.run().code == 0
    assert project.documents() == before


@pytest.mark.parametrize("damaged", ["", "<<<<<<< HEAD", "[]", "\udc80", '{"properties": {"total": 1}}'])
def test_a_document_that_cannot_be_read_is_said_to_be(project: Project, damaged: str) -> None:
    (project.docs / "OrderCompleted.schema.json").write_text(damaged, errors="surrogateescape")
    ran = project.run("--check")
    assert ran.code == 1
    assert "so it is unknown" in ran.said


def test_a_baseline_that_is_not_there_is_said_to_be(project: Project) -> None:
    assert project.run("--check", "--against", "nowhere") == (2, "nowhere is no folder\n", "")
