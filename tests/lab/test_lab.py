"""`make demo` and `make up`, as their users run them."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

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
    )


async def test_the_demo_shows_every_outcome_and_ends_well(tmp_path: Path) -> None:
    demo = await _start("demo", tmp_path)
    out, _ = await demo.communicate()
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
            out, _ = await program.communicate()
            assert program.returncode == 2
            assert f"port {port} is taken" in out.decode()
            assert "UI_PORT=" in out.decode()


async def test_up_ends_what_it_started(tmp_path: Path) -> None:
    port = free_port()
    up = await _start("up", tmp_path, TEMPORAL_PORT=str(port))
    assert up.stdout is not None
    async with asyncio.timeout(60):
        while b"ready:" not in (line := await up.stdout.readline()):
            assert line, "it ended before the worker was ready"
    up.send_signal(signal.SIGHUP)
    out, _ = await up.communicate()
    assert up.returncode == 0
    assert b"stopped" in out
    with socket.socket() as attempt:
        assert attempt.connect_ex(("127.0.0.1", port)) != 0


INTERRUPTED_BY_ITSELF = """
import signal, sys
from lab.up import Stop

def interrupt(frame, event, argument, interrupted=[]):
    if event == "line" and not interrupted:
        interrupted.append(True)
        signal.raise_signal(signal.SIGTERM)
        interrupted.clear()
    return interrupt

stop = Stop()
stop.listen()
sys.settrace(interrupt)
signal.raise_signal(signal.SIGINT)
sys.settrace(None)
sys.exit(not stop.is_asked_for)
"""


async def test_ups_handler_may_be_interrupted_by_itself_at_any_line() -> None:
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
    out, _ = await up.communicate()
    assert up.returncode == 2
    assert "FAULTS: 'nonsense' is not service.operation=kind[:count][@order]" in out.decode()
