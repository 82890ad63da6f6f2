"""The worker as its operator meets it: refusing to start, stopping, killed, and in parts."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowHandle

from audit.books import read
from kernel.contracts import Steps
from lab.settings import LabSettings
from services.orders.contracts import OrderStatus
from tests.conftest import client_of
from tests.processes import NOBODY_LISTENS, ROOT, Environment, environment_of, run, until, worker_process
from tests.shop import ShopUnderTest, eventually, sample_order, step_is
from wiring.roles import AT_WORK

NAMESPACE = "processes"


@pytest.fixture
async def shop(server: LabSettings, tmp_path: Path) -> ShopUnderTest:
    """A shop without a worker, in place of the one that has its worker in this process."""
    return await shop_in(server, NAMESPACE, tmp_path)


async def shop_in(server: LabSettings, namespace: str, data: Path) -> ShopUnderTest:
    policy = server.policy.model_copy(update={"attempt_timeout": 4})
    settings = server.model_copy(update={"data_dir": data, "policy": policy})
    return ShopUnderTest(settings, await client_of(server, namespace))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"FAULTS": "nonsense"}, "FAULTS: 'nonsense' is not service.operation=kind[:count][@order]"),
        ({"FAULTS": "shipping.shp=down"}, "FAULTS: 'shipping.shp' is no operation; there are: orders.create"),
        ({"FAULTS": "payments.charge=explode"}, "FAULTS: 'explode' is no kind of fault; there are: slow"),
        ({"FAULTS": "payments.charge=down:0"}, "'0' in 'payments.charge=down:0' is not a whole number of calls"),
        ({"UI_PORT": "abc"}, "UI_PORT: must be a whole number"),
        ({"DATABASE_URL": "sqlite:///all.db"}, "DATABASE_URL: each service has a database of its own"),
        ({"SHUTDOWN_GRACE": "inf"}, "SHUTDOWN_GRACE: "),
        ({"CATALOGUE": "/missing.json"}, "CATALOGUE: /missing.json: "),
        ({"DATABASE_URL": "sqlite:////proc/nowhere/{service}.db"}, "the database of orders, sqlite:////proc/nowhere/"),
        ({"DATA_DIR": "/proc", "FAULTS": "payments.charge=down"}, "the database of faults, /proc/faults.db"),
    ],
    ids=lambda value: ",".join(f"{key}={text}" for key, text in value.items()) if isinstance(value, dict) else "",
)
async def test_a_worker_that_is_given_nonsense_does_not_start(
    shop: ShopUnderTest, wrong: Environment, complaint: str
) -> None:
    assert complaint in (await run("worker.py", _environment(shop) | wrong)).complaint


async def test_a_database_that_is_down_at_the_start_delays_only_what_needs_it(shop: ShopUnderTest) -> None:
    file = shop.settings.data_dir / "payments.db"
    file.write_bytes(b"this is no database" * 100)
    order = sample_order()
    async with worker_process(_environment(shop)):
        await shop.saga().place(order)
        await shop.until(order, step_is("inventory.reserve", "done"))
        for broken in shop.settings.data_dir.glob("payments.db*"):
            broken.unlink()
        assert (await shop.handle(order).result()).status is OrderStatus.COMPLETED
    assert shop.violations(order) == []


async def test_a_password_is_in_no_line_of_a_worker_that_waits_for_its_database(shop: ShopUnderTest) -> None:
    databases = '{"payments": "postgresql://u:secret@127.0.0.1:1/payments"}'
    async with worker_process(_environment(shop) | {"DATABASES": databases}, "--role", "payments") as worker:
        worker.send(signal.SIGTERM)
        assert await worker.exit_code() == 0
        said = worker.log.read_text()
    assert said.count("//u:***@127.0.0.1:1/payments, cannot be used") == 1
    assert "secret" not in said


async def test_a_worker_says_which_server_it_cannot_reach(shop: ShopUnderTest) -> None:
    """Several times over, since an interpreter on its way out with the SDK's threads may abort."""
    nowhere = _environment(shop) | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
    for ran in await asyncio.gather(*(run("worker.py", nowhere) for _ in range(6))):
        assert f"cannot reach the Temporal server at {NOBODY_LISTENS}" in ran.complaint


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--role", "marketing"), "'marketing' is not one of 'saga', 'orders'"),
        (("--faults", "nonsense"), "No such option: --faults"),
        (("--colour", "red"), "No such option: --colour"),
    ],
)
async def test_a_worker_with_a_wrong_option_does_not_start(
    shop: ShopUnderTest, arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in (await run("worker.py", _environment(shop), *arguments)).complaint


async def test_a_worker_injects_no_faults(shop: ShopUnderTest) -> None:
    """The laboratory's does, which tests.processes.run would choose."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "worker.py"),
        env=_environment(shop) | {"FAULTS": "payments.charge=lost"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.decode() == "✗ FAULTS: worker.py injects no faults; unset it, or use 'python -m lab worker'\n"


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_asked_to_stop_finishes_what_it_is_at(
    shop: ShopUnderTest, signal_number: signal.Signals
) -> None:
    order = sample_order()
    async with worker_process(_environment(shop) | {"FAULTS": "shipping.ship=slow:2"}) as worker:
        await shop.saga(steps=Steps.QUEUE).place(order)
        await eventually(lambda: _is_at(shop.handle(order), "shipping.ship"))
        worker.send(signal_number)
        assert await worker.exit_code() == 0
    assert shop.books(order).parcels_booked == 1
    async with worker_process(_environment(shop)):
        state = await shop.handle(order).result()
    assert state.status is OrderStatus.COMPLETED
    attempts = await _attempts(shop.handle(order))
    assert {"fraud.screen", "inventory.reserve", "payments.charge", "shipping.ship"} <= attempts.keys()
    assert set(attempts.values()) == {1}
    assert shop.violations(order) == []


async def test_a_worker_that_is_asked_to_stop_before_its_queues_are_polled_stops(shop: ShopUnderTest) -> None:
    """Its Temporal workers first ask the server for their namespace; here it answers late."""
    script = """
import asyncio, os, signal, worker
from temporalio.bridge.worker import Worker
from settings import load
from wiring.observer import observer_of
validate = Worker.validate
async def late(self):
    await asyncio.sleep(1)
    return await validate(self)
Worker.validate = late
settings = load()
stop = lambda: os.kill(os.getpid(), signal.SIGTERM)
raise SystemExit(asyncio.run(worker.run(settings, ["saga", "payments"], observer_of(settings), ready=stop)))
"""
    environment = _environment(shop) | {"PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, env=environment, cwd=shop.settings.data_dir
    )
    try:
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_fifty_orders_outlive_a_worker_that_is_killed(shop: ShopUnderTest) -> None:
    orders = [sample_order() for _ in range(50)]
    many = "".join(f"{order.model_dump_json()}\n" for order in orders)

    def charged() -> int:
        return sum(books.charged > 0 for books in read(shop.settings).orders.values())

    async with worker_process(_environment(shop)) as worker:
        placing = asyncio.create_task(
            run("starter.py", _environment(shop), "place", "--file", "-", "--json", stdin=many)
        )
        await until(lambda: charged() >= 10)
        worker.send(signal.SIGKILL)
        assert await worker.exit_code() == -signal.SIGKILL
    ended = [books for books in read(shop.settings).orders.values() if books.status is OrderStatus.COMPLETED]
    assert len(ended) < 50
    async with worker_process(_environment(shop)):
        placed = await placing
        audited = await run("starter.py", _environment(shop), "audit", "--json")
    assert placed.code == 0
    assert [order["status"] for order in placed.document] == ["completed"] * 50
    assert audited.document["by_status"] == {"completed": 50}
    assert audited.document["violations"] == []


async def test_each_role_in_a_process_of_its_own_and_one_that_comes_late(server: LabSettings, tmp_path: Path) -> None:
    shop = await shop_in(server, "roles", tmp_path)
    order = sample_order()
    async with AsyncExitStack() as running:

        async def start(role: str) -> None:
            await running.enter_async_context(worker_process(_environment(shop), "--role", role))

        await asyncio.gather(*(start(role) for role in AT_WORK if role != "payments"))
        await shop.saga().place(order)
        await shop.until(order, step_is("inventory.reserve", "done"))
        await shop.until(order, step_is("payments.charge", "running"))
        assert not await _is_at(shop.handle(order), "payments.charge")
        await start("payments")
        state = await shop.handle(order).result()
    assert state.status is OrderStatus.COMPLETED
    assert shop.books(order).charges == [(4850, "EUR")]
    assert shop.violations(order) == []
    queues = await _queues(shop.handle(order))
    steps = ("orders.create", "fraud.screen", "inventory.reserve", "payments.charge", "shipping.ship")
    assert {*steps, "orders.complete"} <= queues.keys()
    assert queues == {step: step.partition(".")[0] for step in queues}
    assert set((await _attempts(shop.handle(order))).values()) == {1}


def _environment(shop: ShopUnderTest) -> Environment:
    return environment_of(shop.settings, shop.client.namespace)


async def _is_at(handle: WorkflowHandle[Any, Any], activity: str) -> bool:
    """Whether a worker is at this activity, as Temporal's server knows it."""
    pending = (await handle.describe()).raw_description.pending_activities
    started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    return any(each.activity_type.name == activity and each.state == started for each in pending)


async def _queues(handle: WorkflowHandle[Any, Any]) -> dict[str, str]:
    """The task queue of each activity."""
    scheduled = [
        event.activity_task_scheduled_event_attributes
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    return {each.activity_type.name: each.task_queue.name for each in scheduled}


async def _attempts(handle: WorkflowHandle[Any, Any]) -> dict[str, int]:
    """The last attempt of each activity."""
    names, attempts = dict[int, str](), dict[str, int]()
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.HasField("activity_task_started_event_attributes"):
            started = event.activity_task_started_event_attributes
            attempts[names[started.scheduled_event_id]] = started.attempt
    return attempts
