"""What docs/start-your-own.md says is so: done on a copy of the tree, what is left is a saga that stands alone."""

import ast
import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from lab.settings import LabSettings
from tests.pages import FENCED, apply, copy_of_the_tree
from tests.processes import ROOT, WorkerUnderTest, environment_of

PAGE = (ROOT / "docs" / "start-your-own.md").read_text()
PARTS = [part.partition("\n") for part in PAGE.split("\n## ")[1:]]
FUNCTIONS = next(text for _, text in FENCED.findall(PAGE.partition("\n## ")[0]))
CORE = ("activities", "audit", "cli", "client", "kernel", "services", "wiring", "workflows")
# Some of each kind.
SAGAS_TESTS = (
    "tests/workflows/test_order_saga.py::test_an_order_is_charged_shipped_and_taken_from_stock_once",
    "tests/workflows/test_order_saga.py::test_a_refused_step_rejects_the_order_and_leaves_nothing_behind",
    "tests/workflows/test_order_saga.py::test_undos_run_newest_first",
    "tests/workflows/test_review.py",
    "tests/workflows/test_replay.py",
    "tests/services/test_fraud.py",
    "tests/test_borders.py::test_the_borders_are_held_for_every_package",
    "tests/test_borders.py::test_a_program_imports_what_is_below_it",
    "tests/test_borders.py::test_importing_the_worker_loads_what_every_role_needs_and_nothing_else",
    "tests/test_borders.py::test_help_loads_no_commands_module",
    "tests/test_borders.py::test_a_role_loads_what_it_runs[saga]",
    "tests/test_compose.py::test_every_role_of_the_worker_is_a_service",
    "tests/test_compose.py::test_every_service_starts_after_what_it_needs",
    "tests/test_compose.py::test_every_database_is_made",
    "tests/test_compose.py::test_every_file_that_is_asked_for_is_defined",
    "tests/test_compose.py::test_the_image_installs_what_is_locked_and_nothing_else",
    "tests/test_compose.py::test_everything_that_the_image_copies_is_there",
    "tests/test_compose.py::test_the_image_has_every_module_that_its_programs_import",
)
CHECKS = ("ruff format --check .", "ruff check .", "mypy .", "lint-imports", "python -m activities")
_SECONDS = 240


def _run(
    tree: Path, *command: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [str(word) for word in command],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _do(tree: Path, part: str) -> None:
    """The commands and changes of one part, in their order."""
    for language, text in FENCED.findall(part):
        if language == "sh":
            _run(tree, "bash", "-euc", FUNCTIONS + text)
            continue
        apply(tree, text)
    _run(tree, _tool("ruff"), "format", ".")
    _run(tree, _tool("ruff"), "check", "--fix", ".")


def _starts(tree: Path) -> None:
    """Both programs, and all that is quick to check."""
    assert list(_dangling(tree)) == []
    _run(tree, _tool("lint-imports"), "--no-cache")
    for program in ("worker.py", "starter.py"):
        _run(tree, sys.executable, program, "--help", environment={"PATH": os.environ["PATH"]})


def _dangling(tree: Path) -> Iterator[str]:
    """Imports of what is no more."""
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    for file in (file for file in tree.rglob("*.py") if "docs" not in file.relative_to(tree).parts):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                place = tree.joinpath(*module.split("."))
                if module.partition(".")[0] in ours and not (place.is_dir() or place.with_suffix(".py").exists()):
                    yield f"{file.relative_to(tree)}: {module}"


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which everything is done that the page says; after each part what is left is whole."""
    tree = copy_of_the_tree(tmp_path_factory.mktemp("own") / "tree")
    for heading, _, part in PARTS:
        if heading[0].isdigit():
            _do(tree, part)
            _starts(tree)
    return tree


@pytest.fixture(scope="module")
def installed(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a virtual environment has that was made from the core's lock alone."""
    site = _site(tmp_path_factory.mktemp("core") / "site", _locked(core / "requirements.lock"))
    assert (site / "temporalio").exists()
    assert not [name for name in ("httpx", "nats", "pytest", "standardwebhooks") if (site / name).exists()]
    return site


@pytest.fixture(scope="module")
def developed(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What there is to develop with, without what only the parts need that are gone."""
    optional = {"httpcore", "httpx", "nats-py", "standardwebhooks"}
    assert optional < _locked(ROOT / "requirements.lock") - _locked(core / "requirements.lock")
    everything = {_canonical(one.name) for one in distributions()}
    return _site(tmp_path_factory.mktemp("dev") / "site", everything - optional)


def _site(folder: Path, names: set[str]) -> Path:
    """A folder to import from, with links to these distributions, as far as they are for this platform."""
    folder.mkdir()
    for one in distributions():
        if _canonical(one.name) in names:
            for top in _tops(one):
                link = folder / top
                if not link.exists():
                    link.symlink_to(Path(str(one.locate_file(top))))
    return folder


def _tops(one: Distribution) -> Iterator[str]:
    for file in one.files or ():
        if file.parts[0] not in ("..", "__pycache__"):
            yield file.parts[0]


def _locked(lock: Path) -> set[str]:
    return {_canonical(name) for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_page_is_about_every_package_that_is_not_the_core() -> None:
    packages = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
    assert packages - set(CORE) - {"lab"} == set(re.findall(r"^gone (\w+)$", PAGE, re.MULTILINE))


def test_the_cores_lock_is_a_part_of_the_whole_one() -> None:
    core, shipped, developed = (
        set(re.findall(r"^[\w.-]+==\S+", (ROOT / f"requirements{kind}.lock").read_text(), re.MULTILINE))
        for kind in ("-core", "", "-dev")
    )
    assert core < shipped < developed


def test_what_is_left_is_the_core(core: Path) -> None:
    assert {path.parent.name for path in core.glob("*/__init__.py")} == {*CORE, "lab", "tests"}
    gone = "choreography|messaging|subscribers|schemas|nats"
    importing = re.compile(rf"^\s*(from|import) ({gone})\b|lab\.(bench|capacity|compare|demo|outages)", re.MULTILINE)
    assert [path for path in core.rglob("*.py") if importing.search(path.read_text())] == []


def test_what_is_left_passes_the_checks(core: Path) -> None:
    for command in CHECKS:
        name, *arguments = command.split()
        _run(core, _tool(name), *arguments)
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", (core / "Makefile").read_text(), re.MULTILINE)
    assert check is not None
    assert check[1].split("\n")[:-1] == [f"\t$(BIN)/{command}" for command in CHECKS]


def test_the_sagas_tests_pass_in_what_is_left(core: Path, developed: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(developed)}
    _run(
        core,
        sys.executable,
        "-S",
        "-m",
        "pytest",
        "-x",
        "-p",
        "no:cacheprovider",
        "-k",
        "not postgresql",
        *SAGAS_TESTS,
        environment=environment,
    )


async def test_an_order_runs_from_the_cores_lock_alone(
    core: Path, installed: Path, server: LabSettings, tmp_path: Path
) -> None:
    """Without the laboratory and the tests, too, and with nothing of the virtual environment but what is locked."""
    tree = tmp_path / "shipped"
    shutil.copytree(core, tree, ignore=shutil.ignore_patterns("lab", "tests", ".*"))
    environment = environment_of(server.model_copy(update={"data_dir": tmp_path}), "own")
    environment |= {"PYTHONPATH": str(installed)}

    async def starter(*arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-S",
            "starter.py",
            *arguments,
            cwd=tree,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(_SECONDS):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()

    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "worker.py", cwd=tree, env=environment, stdout=output, stderr=output
        )
    worker = WorkerUnderTest(process, log)
    try:
        await worker.says("ready: saga, orders, fraud, inventory, payments, shipping at ")
        code, said = await starter("place", "--item", "mug=2", "--order-id", "own-good")
        assert code == 0, said
        code, said = await starter("place", "--item", "mug=2", "--order-id", "own-bad", "--country", "AQ")
        assert code == 1
        assert "own-bad rejected" in said
        code, said = await starter("audit", "--json")
        assert code == 0, said
        assert '"violations": []' in said
        assert '"completed": 1' in said
        code, said = await starter("place", "--item", "mug=2", "--style", "choreography")
        assert code == 2
        assert said == "✗ --style choreography is not part of this system; there is: orchestration\n"
        worker.send(signal.SIGTERM)
        assert await worker.exit_code() == 0
    finally:
        await worker.end()
