"""Pages whose commands and changes are executed by a test, on a copy of the tree."""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCED = re.compile(r"^```(sh|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^--- (\S+)\n", re.MULTILINE)


def copy_of_the_tree(tree: Path) -> Path:
    """What git would commit, and what Python and mypy have made of it, so that they need not begin again."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name]
    for folder in {Path(name).parent for name in names}:
        (tree / folder).mkdir(parents=True, exist_ok=True)
        if (ROOT / folder / "__pycache__").is_dir():
            shutil.copytree(ROOT / folder / "__pycache__", tree / folder / "__pycache__")
    for name in names:
        shutil.copy2(ROOT / name, tree / name)  # with its time, by which its bytecode is known
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", tree / ".mypy_cache")
    return tree


def apply(tree: Path, diff: str) -> None:
    """Each file after its `--- `, its changes separated by `@@`: lines taken out (-), and put in their place (+)."""
    _, *files = _FILE.split(diff)
    for path, changes in zip(files[::2], files[1::2], strict=True):
        for hunk in changes.split("@@\n"):
            _change(tree / path, hunk.splitlines())


def _change(file: Path, hunk: list[str]) -> None:
    assert {line[:1] for line in hunk} <= {"-", "+"}, hunk
    before, after = ("".join(f"{line[1:]}\n" for line in hunk if line[0] == sign) for sign in "-+")
    content = "\n" + file.read_text()
    assert content.count(f"\n{before}") == 1, f"{file} has not once:\n{before}"
    file.write_text(content.replace(f"\n{before}", f"\n{after}")[1:])
