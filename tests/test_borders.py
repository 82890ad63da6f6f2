"""Who loads whom, where import-linter cannot see it: the programs, and what is loaded as they run."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lab.settings import LabSettings
from tests.processes import ROOT, environment_of, worker_process
from wiring.roles import HOSTS, ROLES, SAGA

LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
PACKAGES = set(LINTER["root_packages"])
IMPORTS = {
    "settings": {"kernel", "services"},
    "worker": {"activities", "kernel", "services", "settings", "web", "wiring", "workflows"},
    "starter": {"cli", "kernel", "wiring"},
}
# What no worker needs; and of the rest, what is some role's alone.
NEVER = {"cli", "audit", "lab", "schemas", "rich", "observability", "prometheus_client", "structlog"}
ON_THE_BUS = {"messaging", "choreography", "subscribers", "nats", "httpx", "standardwebhooks", "web", "starlette"}
LOADS = {
    "relay": {"messaging"},
    "choreography": {"messaging", "choreography"},
    "subscribers": {"messaging", "subscribers", "httpx", "standardwebhooks", "rich"},  # rich: httpx loads it
    "operations": {"audit", "messaging", "choreography", "subscribers", "httpx", "standardwebhooks", "rich"},
    "web": {"web", "starlette", "messaging", "choreography", "subscribers"},
}
LOADED = re.compile(r"^import time:[ \d]+\|[ \d]+\| +([\w.]+)$", re.MULTILINE)


def test_the_borders_are_held_for_every_package() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"tests"} == PACKAGES


@pytest.mark.parametrize("program", IMPORTS)
def test_a_program_imports_what_is_below_it(program: str) -> None:
    tree = ast.parse((ROOT / f"{program}.py").read_text())
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported = {name.partition(".")[0] for name in names}
    assert imported & (PACKAGES | set(IMPORTS)) == IMPORTS[program]


def test_importing_the_worker_loads_what_every_role_needs_and_nothing_else() -> None:
    script = "import worker, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert _of(set(loaded.split())) & (NEVER | ON_THE_BUS) == set()


def test_help_loads_no_commands_module() -> None:
    script = "import starter, sys; starter.main(); print(*sys.modules)"
    asked = [sys.executable, "-c", script, "--help"]
    loaded = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    modules = set(loaded.splitlines()[-1].split())
    own = {name for name in modules if name.partition(".")[0] in PACKAGES}
    assert own == {
        *("cli", "cli.lazy", "cli.version", "kernel", "kernel.errors", "kernel.visible"),
        *("wiring", "wiring.program", "wiring.stopping", "wiring.streams"),
    }
    assert _of(modules) & {"asyncio", "temporalio", "sqlalchemy", "alembic", "pydantic", "rich"} == set()


@pytest.mark.parametrize("role", [role for role in ROLES if role not in HOSTS[1:]])
async def test_a_role_loads_what_it_runs(server: LabSettings, tmp_path: Path, role: str) -> None:
    environment = environment_of(server.model_copy(update={"data_dir": tmp_path}), "processes")
    async with worker_process(environment | {"PYTHONPROFILEIMPORTTIME": "1"}, "--role", role) as worker:
        loaded = set(LOADED.findall(worker.log.read_text()))
    assert "wiring.roles" in loaded
    assert _of(loaded) & (NEVER | ON_THE_BUS) == LOADS.get(role, set())
    assert not {"http.server", "wsgiref"} & loaded
    insides = {name.split(".")[1] for name in loaded if re.fullmatch(r"services\.\w+\.service", name)}
    assert role not in (SAGA, *HOSTS) or insides == {role} - {SAGA}


def _of(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}
