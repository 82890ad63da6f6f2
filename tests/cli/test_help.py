"""The list of commands, and each command's help."""

import tomllib

import pytest
from typer.main import get_command

import starter
from cli.lazy import Entry
from cli.version import VERSION
from tests.processes import ROOT, Environment, run, run_here

ENVIRONMENT: Environment = {"DATA_DIR": str(ROOT), "COLUMNS": "80"}


@pytest.mark.parametrize("entry", starter.Commands.table, ids=lambda entry: entry.name)
def test_the_list_of_commands_has_the_first_line_of_each_ones_help(entry: Entry) -> None:
    helped = entry.load().help or ""
    assert helped.partition("\n")[0] == entry.help
    ran = run_here(ENVIRONMENT, entry.name, "-h")
    assert (ran.code, ran.err) == (0, "")
    assert entry.help in ran.out


def test_a_line_of_the_list_fits_a_narrow_terminal() -> None:
    ran = run_here(ENVIRONMENT, "--help")
    for entry in starter.Commands.table:
        assert f"  {entry.name} " in ran.out
        assert entry.help in ran.out, "cut"
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert run_here(ENVIRONMENT, "--version").out.startswith(f"order-saga {VERSION}, Python ")


async def test_the_shell_completes_commands_and_their_options() -> None:
    command = get_command(starter.app)
    assert {"--install-completion", "--show-completion"} <= {name for each in command.params for name in each.opts}
    for words, completed in (("starter.py pla", "place"), ("starter.py place --ite", "--item")):
        bash = {"_STARTER.PY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        assert completed in (await run("starter.py", ENVIRONMENT | bash)).out.split()
