"""`make demo` and `make up`, as their users run them."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import free_port

ROOT = Path(__file__).parents[2]


async def _start(command: str, data: Path, **environment: str) -> asyncio.subprocess.Process:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    own |= {"DATA_DIR": str(data), "TEMPORAL_PORT": str(free_port()), "UI_PORT": str(free_port())}
    own |= {"WEB_PORT": str(free_port())} | environment
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lab",
        command,
        cwd=ROOT,
        env=own,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def test_the_demo_shows_every_outcome_and_ends_well(tmp_path: Path) -> None:
    demo = await _start("demo", tmp_path)
    out = await _ended(demo)
    assert demo.returncode == 0, out.decode()
    for found in ("completed", "declined", "undeliverable", "fraud-approved", "cancelled", "killed", "add up"):
        assert found in out.decode()


async def test_a_port_that_is_taken_is_named_with_a_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for command in ("demo", "up"):
            program = await _start(command, tmp_path, UI_PORT=str(port))
            out = await _ended(program)
            assert program.returncode == 2
            assert f"port {port} is taken" in out.decode()
            assert "UI_PORT=" in out.decode()


async def test_a_fault_that_is_wrong_is_named_before_anything_starts(tmp_path: Path) -> None:
    program = await _start("up", tmp_path, FAULTS="payments.charge=explode")
    out = await _ended(program)
    assert program.returncode == 2
    assert out.decode().startswith("✗ FAULTS: 'explode' is no kind of fault")


async def test_up_ends_what_it_started(tmp_path: Path) -> None:
    port = free_port()
    up = await _start("up", tmp_path, TEMPORAL_PORT=str(port))
    said = await _ready(up)
    assert f" TEMPORAL_PORT={port} ".encode() in said, "the command can be pasted as it is"
    second = await _start("up", tmp_path)
    out = await _ended(second)
    assert second.returncode == 2
    assert "is in use by another 'make up' or 'make demo'" in out.decode()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) * 10:  # in the middle of each other's handler, too
        os.killpg(up.pid, number)
    out = await _ended(up)
    assert up.returncode == 0
    assert b"stopped" in out
    with socket.socket() as attempt:
        assert attempt.connect_ex(("127.0.0.1", port)) != 0


async def test_the_incidents_are_all_there_for_who_is_called(tmp_path: Path) -> None:
    """It says that it is ready only when `attention` has an entry of each kind."""
    shop, said = await _start("incidents", tmp_path), ""
    assert shop.stdout is not None
    async with asyncio.timeout(100):
        while "Ctrl-C ends the shop" not in said:
            line = (await shop.stdout.readline()).decode()
            assert line, said
            said += line
    assert said.count("\n  - ") == 6
    assert f". {tmp_path / 'incidents' / 'environment.sh'}" in said
    shop.send_signal(signal.SIGINT)
    await shop.communicate()
    assert shop.returncode == 0


async def test_what_up_started_ends_with_it_when_it_is_killed(tmp_path: Path) -> None:
    port = free_port()
    up = await _start("up", tmp_path, TEMPORAL_PORT=str(port))
    await _ready(up)
    mine = psutil.Process(up.pid).children()
    assert len(mine) >= 4  # server, worker, page, and the guard of them all
    up.kill()
    await up.wait()
    await asyncio.to_thread(psutil.wait_procs, mine, 30)
    assert [one for one in mine if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    with socket.socket() as attempt:
        assert attempt.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("command", ["up", "demo"])
async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    program = await _start(command, tmp_path / "file" / "data")
    out = await _ended(program)
    assert program.returncode == 2
    assert f"the data folder {tmp_path}/file/data" in out.decode()
    assert "cannot be written: Not a directory; set DATA_DIR" in out.decode()


async def test_a_set_up_through_a_link_is_refused(tmp_path: Path) -> None:
    """`venv --clear` would empty what the link points to."""
    target = tmp_path / "precious"
    target.mkdir()
    (target / "file").write_text("kept")
    for name in ("Makefile", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(target)
    made = await asyncio.create_subprocess_exec(
        "make",
        "demo",
        f"PYTHON={sys.executable}",
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},  # not part of our own
        stdout=asyncio.subprocess.PIPE,
    )
    out = await _ended(made)
    assert made.returncode != 0
    assert out.decode().startswith(".venv is a symbolic link")
    assert (target / "file").read_text() == "kept"


async def _ended(program: asyncio.subprocess.Process) -> bytes:
    """What it printed until its end, which has to come by itself."""
    try:
        async with asyncio.timeout(120):
            out, _ = await program.communicate()
            return out
    finally:
        if program.returncode is None:
            program.terminate()
            await program.wait()


async def _ready(up: asyncio.subprocess.Process) -> bytes:
    """What it printed until its worker was ready."""
    assert up.stdout is not None
    said = b""
    async with asyncio.timeout(60):
        while b"ready: saga" not in said:
            line = await up.stdout.readline()
            assert line, f"it ended before the worker was ready: {said!r}"
            said += line
    return said


INTERRUPTED_BY_ITSELF = """
import signal, sys
from wiring.stopping import is_asked_to_stop, listening

def interrupt(frame, event, argument, interrupted=[]):
    if event == "line" and not interrupted:
        interrupted.append(True)
        signal.raise_signal(signal.SIGTERM)
        interrupted.clear()
    return interrupt

with listening():
    sys.settrace(interrupt)
    signal.raise_signal(signal.SIGINT)
    sys.settrace(None)
sys.exit(not is_asked_to_stop())
"""


async def test_a_handler_may_be_interrupted_by_itself_at_any_line() -> None:
    """A second signal may come while the first is handled: what a handler takes a lock for then waits for itself."""
    stopped = await asyncio.create_subprocess_exec(sys.executable, "-c", INTERRUPTED_BY_ITSELF, cwd=ROOT)
    try:
        async with asyncio.timeout(20):
            assert await stopped.wait() == 0
    finally:
        if stopped.returncode is None:
            stopped.kill()
            await stopped.wait()


async def test_up_injects_the_faults_it_is_given(tmp_path: Path) -> None:
    up = await _start("up", tmp_path, FAULTS="nonsense")
    out = await _ended(up)
    assert up.returncode == 2
    assert "FAULTS: 'nonsense' is not service.operation=kind[:count][@order]" in out.decode()
