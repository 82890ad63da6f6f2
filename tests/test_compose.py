"""docker-compose.yml and the Dockerfile, as far as they can be checked without Docker."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import validator_for
from ruamel.yaml import YAML

from lab.settings import LabSettings
from settings import DATABASES
from tests.conftest import free_port
from tests.processes import environment_of, worker_process
from wiring.roles import ROLES

ROOT = Path(__file__).parent.parent
EXACT = re.compile(r"[\w./-]+:\d+\.\d+(\.\d+)?(-[a-z][\w.-]*)?")

Json = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Json:
    loaded: Json = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")
    return loaded


@pytest.fixture(scope="module")
def services(compose: Json) -> Json:
    found: Json = compose["services"]
    return found


@pytest.fixture(scope="module")
def dockerfile() -> list[list[str]]:
    """Its instructions, each as words."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip()]


def test_the_compose_file_keeps_to_the_compose_specification(compose: Json) -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    errors = validator_for(schema)(schema).iter_errors(compose)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_the_compose_specification_would_refuse_a_misspelt_key(compose: Json) -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    misspelt = compose | {"services": {"saga": {"image": "order-saga:0.1.0", "comand": []}}}
    assert not validator_for(schema)(schema).is_valid(misspelt)


def test_every_image_has_an_exact_version(services: Json, dockerfile: list[list[str]]) -> None:
    stages = {words[-1] for words in dockerfile if words[0] == "FROM" and "AS" in words}
    bases = {words[1] for words in dockerfile if words[0] == "FROM"} - stages
    images = {service["image"] for service in services.values()}
    assert bases
    assert [image for image in images | bases if not EXACT.fullmatch(image)] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_role_of_the_worker_is_a_service(services: Json, role: str) -> None:
    service = services[role]
    assert service["command"] == ["--role", role]
    assert service["healthcheck"]["test"][-1] == role


def test_every_service_starts_after_what_it_needs(services: Json) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            target = services[needed]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in target, f"{name} waits for {needed}, which never says that it is healthy"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert "healthcheck" not in target
                assert target["restart"].startswith("on-failure"), f"{name} waits for the end of {needed}"


def test_nothing_waits_for_itself(services: Json) -> None:
    started: set[str] = set()
    while ready := {name for name, its in services.items() if set(its.get("depends_on", {})) <= started} - started:
        started |= ready
    assert set(services) - started == set()


def test_no_password_is_written_down(services: Json) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|PWD|SECRET|KEY|TOKEN", variable):
                assert re.match(r"\$\{(POSTGRES_PASSWORD|WEB_TOKEN):\?", str(value)), f"{name}: {variable}"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name}: {variable} has a password in its URL"


def test_every_database_is_made(compose: Json) -> None:
    made = re.findall(r"'(\w+)'", compose["configs"]["databases"]["content"])
    assert made == list(DATABASES)


def test_every_worker_uses_the_databases_on_postgres(services: Json) -> None:
    urls = {services[role]["environment"]["DATABASE_URL"] for role in ROLES}
    assert urls == {"postgresql://postgres@postgres:5432/{service}"}


def test_ports_are_open_to_this_machine_only(services: Json) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_every_file_that_is_asked_for_is_defined(compose: Json, services: Json) -> None:
    asked = {config["source"] for service in services.values() for config in service.get("configs", [])}
    assert asked == set(compose["configs"])


def test_the_image_does_not_run_as_root(dockerfile: list[list[str]]) -> None:
    *_, last = [words[1] for words in dockerfile if words[0] == "USER"]
    assert int(last.partition(":")[0]) > 0


def test_the_image_installs_what_is_locked_and_nothing_else(dockerfile: list[list[str]]) -> None:
    installs = [words for words in dockerfile if "install" in words and "pip" in words]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert installs[0][-2:] == ["-r", "requirements.lock"]


def test_everything_that_the_image_copies_is_there(dockerfile: list[list[str]]) -> None:
    sources = {
        source for words in dockerfile if words[0] == "COPY" and "--from" not in words[1] for source in words[1:-1]
    }
    assert sources >= {"worker.py", "starter.py", "requirements.lock"}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == sources


def test_the_image_has_every_module_that_its_programs_import(dockerfile: list[list[str]], tmp_path: Path) -> None:
    for words in dockerfile:
        if words[0] == "COPY" and "--from" not in words[1]:
            for source in (ROOT / name for name in words[1:-1]):
                # Copied, since a program is looked for beside the file that a link leads to.
                (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / source.name)
    assert not (tmp_path / "lab").exists()
    for program in ("worker.py", "starter.py"):
        ran = subprocess.run([sys.executable, program, "--help"], cwd=tmp_path, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr


async def test_a_worker_is_healthy_while_it_can_do_its_roles_work(
    services: Json, server: LabSettings, tmp_path: Path
) -> None:
    """By the very check of the compose file, but for the port."""
    orders = services["orders"]
    port = free_port()
    check = [
        word.replace(str(orders["environment"]["METRICS_PORT"]), str(port)) for word in orders["healthcheck"]["test"]
    ]

    async def healthy() -> bool:
        ran = await asyncio.create_subprocess_exec(sys.executable, *check[2:], stderr=asyncio.subprocess.DEVNULL)
        return await ran.wait() == 0

    environment = environment_of(server.model_copy(update={"data_dir": tmp_path}), "processes")
    assert not await healthy()
    async with worker_process(environment | {"METRICS_PORT": str(port)}, "--role", "orders"), asyncio.timeout(30):
        while not await healthy():
            pass
