"""Each exercise of docs/tour.md breaks one rule, and the test that it names notices."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import FENCED, ROOT, apply, copy_of_the_tree

_EXERCISES = (ROOT / "docs" / "tour.md").read_text().partition("## Five exercises")[2].split("\n### ")[1:]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_tree(tmp_path_factory.mktemp("tour") / "tree")


def test_there_are_five_exercises() -> None:
    assert len(_EXERCISES) == 5


@pytest.mark.parametrize("exercise", _EXERCISES, ids=lambda text: text.partition("\n")[0])
def test_the_named_test_turns_red(exercise: str, tree: Path) -> None:
    (_, change), (_, command) = FENCED.findall(exercise)
    changed = re.findall(r"^--- (\S+)$", change, re.MULTILINE)
    apply(tree, change)
    try:
        words = [word.strip('"') for word in command.split()][1:]
        ran = subprocess.run(
            [sys.executable, *words, "-x", "-p", "no:cacheprovider"],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 1, ran.stdout + ran.stderr  # 1: a test failed; anything else: none ran
        assert re.search(r"^FAILED tests/", ran.stdout, re.MULTILINE), ran.stdout
    finally:
        for name in changed:
            (tree / name).write_bytes((ROOT / name).read_bytes())
