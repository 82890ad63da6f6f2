"""What a replay cannot repeat has no place in a workflow; in production no sandbox would notice it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_MODULES = frozenset({"os", "random", "secrets", "socket", "subprocess", "threading", "time", "uuid", "concurrent"})
_CALLS = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "open", "input"}
    # Their order is not the same in a replay, or they leave the workflow's own event loop.
    | {f"asyncio.{name}" for name in ("wait", "as_completed", "to_thread", "run_in_executor")}
)


def _found(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _CALLS:
            yield ast.unparse(node.func)
        yield from (name for name in names if name.partition(".")[0] in _MODULES)


def test_the_saga_uses_nothing_that_a_replay_cannot_repeat() -> None:
    names = "[name for name in sys.modules if name.startswith('workflows.')]"
    code = f"import sys, workflows.order_saga; print(*{names})"
    modules = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / f"{name.replace('.', '/')}.py" for name in modules.split()]
    assert ROOT / "workflows" / "saga.py" in files
    assert {path.name: found for path in files if (found := list(_found(path.read_text())))} == {}


@pytest.mark.parametrize(
    "line", ["import random", "from uuid import uuid4", "datetime.now(UTC)", "open('x')", "await asyncio.wait(tasks)"]
)
def test_what_a_replay_cannot_repeat_is_noticed(line: str) -> None:
    assert list(_found(f"async def story():\n    {line}\n"))
