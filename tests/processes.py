"""The two programs as their users run them: in processes of their own, with everything from their environment."""

import asyncio
import ctypes
import io
import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import starter
from cli import console
from lab import children
from lab.settings import LabSettings

ROOT = Path(__file__).parent.parent
NOBODY_LISTENS = "127.0.0.1:1"

_SECONDS = 60
_WIDTH_OF_A_FILE = 120
_numbers = itertools.count(1)
_INSIDE = asyncio.Lock()
_thread = 0

Environment = dict[str, str]


@dataclass(frozen=True)
class Ran:
    """What a program said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line of a program that was asked for something it does not do."""
        assert self.code == 2, self
        assert self.out == "", self
        assert self.err.endswith("\n"), self
        assert self.err.count("\n") == 1, self
        return self.err.strip()


def environment_of(settings: LabSettings, namespace: str) -> Environment:
    """These settings, and nothing of the test run's own environment; the port is wrong, so that the address counts."""
    policy = {f"POLICY__{name.upper()}": str(value) for name, value in settings.policy.model_dump().items()}
    return policy | {
        "PATH": os.environ["PATH"],
        "HOME": str(settings.data_dir),  # a profile of Temporal's CLI would be here
        "DATA_DIR": str(settings.data_dir),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{settings.temporal_port}",
        "TEMPORAL_PORT": "1",
        "TEMPORAL_NAMESPACE": namespace,
        "UI_PORT": str(settings.ui_port),
        "FAULTS": settings.faults,
        "PROCESSES": "1",
        "PYTHONPATH": str(ROOT),
        "SCHEDULES__RECONCILIATION_EVERY": str(settings.schedules.reconciliation_every),
        "SCHEDULES__AUDIT_EVERY": str(settings.schedules.audit_every),
    }


def _program(program: str, environment: Environment) -> list[str]:
    """A worker that is to meet faults is the laboratory's."""
    if program == "lab":
        return ["-m", "lab"]
    faulty = program == "worker.py" and environment.get("FAULTS")
    return ["-m", "lab", "worker"] if faulty else [str(ROOT / program)]


async def run(program: str, environment: Environment, *arguments: str, stdin: str | bytes = "") -> Ran:
    """Run `starter.py` or `worker.py` to its end, where no `.env` file is."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *_program(program, environment),
        *arguments,
        env=environment,
        cwd=environment["DATA_DIR"],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate(stdin.encode() if isinstance(stdin, str) else stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return _made(Ran(process.returncode, out.decode(), err.decode()))


async def run_inside(environment: Environment, *arguments: str, stdin: str | bytes = "") -> Ran:
    """`run_here` for what needs a connection: in a thread, since the command has an event loop of its own.

    One at a time: each has the environment, the folder and the output of this process for itself.
    """
    async with _INSIDE:
        command = asyncio.create_task(asyncio.to_thread(_in_thread, environment, arguments, stdin))
        if not (await asyncio.wait([command], timeout=_SECONDS))[0]:
            _press_ctrl_c()
        return await command


def run_here(
    environment: Environment, *arguments: str, stdin: str | bytes = "", main: Callable[[], int] = starter.main
) -> Ran:
    """`starter.py` in this process, a hundred times cheaper: for what needs no connection.

    `test_refusing_in_this_process_is_refusing_in_a_process_of_its_own` holds it to the real thing.
    """
    given = io.TextIOWrapper(io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin), "utf-8")
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        for name in os.environ.keys() - environment.keys():
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["starter.py", *arguments])
        patch.setattr(sys, "stdin", given)
        for each in (console.out, console.err):  # otherwise as wide as when this process imported them
            patch.setattr(each, "width", int(environment.get("COLUMNS", _WIDTH_OF_A_FILE)))
        patch.chdir(environment["DATA_DIR"])
        code = main()
    return _made(Ran(code, out.getvalue(), err.getvalue()))


def _made(ran: Ran) -> Ran:
    assert "Traceback" not in ran.out + ran.err, ran.err
    return ran


def _in_thread(environment: Environment, arguments: tuple[str, ...], stdin: str | bytes) -> Ran:
    global _thread
    _thread = threading.get_ident()
    return run_here(environment, *arguments, stdin=stdin)


def _press_ctrl_c() -> None:
    """A command that does not end fails its test, not all that come after it."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(_thread), ctypes.py_object(KeyboardInterrupt))


class WorkerUnderTest:
    """A `worker.py` that runs; its words are in `log`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    async def says(self, words: str) -> None:
        async with asyncio.timeout(_SECONDS):
            while words not in self.log.read_text():
                assert self._process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)

    def send(self, signal_number: signal.Signals) -> None:
        self._process.send_signal(signal_number)

    async def exit_code(self) -> int:
        async with asyncio.timeout(_SECONDS):
            return await self._process.wait()

    async def end(self) -> None:
        """However its test ended, nothing of it is left."""
        if self._process.returncode is None:
            self.send(signal.SIGTERM)
            try:
                await self.exit_code()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


@asynccontextmanager
async def worker_process(
    environment: Environment, *arguments: str, program: str = "worker.py"
) -> AsyncIterator[WorkerUnderTest]:
    """A `worker.py` that is ready; `program` may be that of another tree."""
    log = Path(environment["DATA_DIR"]) / f"worker-{next(_numbers)}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_program(program, environment),
            *arguments,
            env=environment,
            cwd=environment["DATA_DIR"],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    children.started(process.pid)
    worker = WorkerUnderTest(process, log)
    try:
        await worker.says("ready: ")
        yield worker
    finally:
        await worker.end()
        children.ended(process.pid)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(_SECONDS):
        while not condition():
            await asyncio.sleep(0.05)
