"""A worker in several processes: they are replaced, and end with their supervisor, however that ends."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from lab.settings import LabSettings
from tests.conftest import client_of
from tests.processes import Environment, environment_of, run, until, worker_process
from tests.shop import ShopUnderTest, sample_order

NAMESPACE = "processes"
ROLES = ("--role", "saga", "--role", "orders", "--role", "fraud", "--role", "inventory", "--role", "payments")
TWO = ("--processes", "2", *ROLES, "--role", "shipping")


def _environment(server: LabSettings, data: Path) -> Environment:
    return environment_of(server.model_copy(update={"data_dir": data}), NAMESPACE)


def _log(data: Path) -> str:
    return "".join(path.read_text() for path in data.glob("worker-*.log"))


async def test_a_dead_process_is_replaced_and_none_outlives_a_killed_supervisor(
    server: LabSettings, tmp_path: Path
) -> None:
    async with worker_process(_environment(server, tmp_path), *TWO) as worker:
        await until(lambda: _log(tmp_path).count("ready: ") == 2)
        supervisor = psutil.Process(worker.pid)
        first, second = supervisor.children()
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: _log(tmp_path).count("ready: ") == 3)
        assert "ended (-9); starting another" in _log(tmp_path)
        shop = ShopUnderTest(server.model_copy(update={"data_dir": tmp_path}), await client_of(server, NAMESPACE))
        assert (await shop.run(sample_order())).status == "completed"
        left = supervisor.children()
        worker.send(signal.SIGKILL)
        assert await worker.exit_code() == -signal.SIGKILL
        await asyncio.to_thread(psutil.wait_procs, left, 30)
        assert [process for process in left if process.is_running()] == []
        assert second in left


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_all_processes_stop_with_their_supervisor(
    server: LabSettings, tmp_path: Path, signal_number: signal.Signals
) -> None:
    async with worker_process(_environment(server, tmp_path), *TWO) as worker:
        await until(lambda: _log(tmp_path).count("ready: ") == 2)
        processes = psutil.Process(worker.pid).children()
        worker.send(signal_number)
        assert await worker.exit_code() == 0
        assert [process for process in processes if process.is_running()] == []
    assert _log(tmp_path).count("stopped") == 2


async def test_what_is_wrong_is_said_once(server: LabSettings, tmp_path: Path) -> None:
    wrong = _environment(server, tmp_path) | {"DATABASE_URL": "sqlite:////proc/nowhere/{service}.db"}
    assert "sqlite:////proc/nowhere/" in (await run("worker.py", wrong, *TWO)).complaint
