"""`/healthz` and `/readyz`: whether the process lives, and whether it can do its roles' work."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from kernel.errors import SettingsError
from lab.settings import LabSettings
from messaging.bus import Mark
from settings import LogFormat
from tests.conftest import free_port
from tests.observability.observed import ObservedShop, Port
from tests.processes import NOBODY_LISTENS
from wiring.observer import RunningWorker, observer_of
from wiring.services import Services
from wiring.supervision import Parts


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observability.checks.TIMEOUT_SECONDS", 0.3)


@contextmanager
def nobody_else_may_use(file: Path) -> Iterator[None]:
    """As a database that does not answer."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


async def test_a_worker_is_ready_when_all_that_its_roles_need_answers(shop: ObservedShop) -> None:
    await shop.port.until_ready()
    assert await shop.port.get("/healthz") == (200, "ok\n")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("database", "unready"),
    [("payments", {"database payments"}), ("bus", {"bus"})],
)
async def test_a_worker_is_not_ready_while_a_database_does_not_answer(
    shop: ObservedShop, database: str, unready: set[str]
) -> None:
    with nobody_else_may_use(shop.orchestrated.settings.data_dir / f"{database}.db"):
        assert unready <= (await shop.port.ready()).keys()
        assert (await shop.port.get("/healthz"))[0] == 200
        await shop.port.until("order_saga_unreadable", above=0)
    await shop.port.until_ready()


async def test_a_worker_is_not_ready_while_the_log_is_not_the_one_that_it_has_read(shop: ObservedShop) -> None:
    await shop.port.until_ready()
    progress = shop.choreographed.eventing.progress
    position, mark = progress.positions("analytics")[0], progress.marks("analytics")[0]
    progress.save("analytics", 0, 1_000_000, Mark("another log", 1_000_000, "an-event"))
    try:
        unready = await shop.port.ready()
    finally:
        progress.save("analytics", 0, position, mark)
    assert unready.keys() == {"consumers"}
    assert unready["consumers"].startswith("WrongLog: analytics: the log of events is not as it was read")


async def test_a_worker_is_not_ready_while_temporal_does_not_answer(server: LabSettings, tmp_path: Path) -> None:
    settings = server.model_copy(update={"data_dir": tmp_path, "metrics_port": free_port()})
    port, observer, services = Port(settings.metrics_port or 0), observer_of(settings), Services(settings)
    async with observer.serving():
        assert await port.ready() == {"process": "is starting"}
        client = await Client.connect(NOBODY_LISTENS, lazy=True, runtime=observer.runtime)
        observer.started(RunningWorker(["saga"], services, client, [], Parts()))
        assert (await port.ready()).keys() == {"Temporal"}
        observer.stopping()
        assert await port.ready() == {"process": "is stopping"}


async def test_a_worker_is_not_ready_when_it_does_not_fetch_from_its_queue(server: LabSettings, tmp_path: Path) -> None:
    settings = server.model_copy(update={"data_dir": tmp_path, "metrics_port": free_port()})
    port, observer, services = Port(settings.metrics_port or 0), observer_of(settings), Services(settings)
    async with observer.serving():
        client = await Client.connect(f"127.0.0.1:{server.temporal_port}", runtime=observer.runtime)
        parts, worker = Parts(), Worker(client, task_queue="never-fetched", activities=[_nothing])
        observer.started(RunningWorker(["orders"], services, client, [worker], parts))
        assert await port.ready() == {"task queue never-fetched": "NotReady: it is not polled"}
        parts.failing["relay of orders"] = "KeyError: 'a bug'"
        assert (await port.ready())["relay of orders"] == "NotReady: KeyError: 'a bug'"
    services.close()


async def test_a_process_whose_event_loop_stands_still_is_not_alive(
    shop: ObservedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wiring.observability._TIMEOUT_SECONDS", 0.2)
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(shop.port._get("/healthz")))
    asking.start()
    asking.join()  # in the event loop's own thread
    assert answers == [(503, "the process does not answer\n")]
    assert (await shop.port.get("/healthz"))[0] == 200


async def test_a_port_that_is_taken_is_named(shop: ObservedShop) -> None:
    settings = shop.orchestrated.settings.model_copy(update={"log_format": LogFormat.TEXT})
    with pytest.raises(SettingsError, match=rf"^METRICS_PORT: cannot listen on 127.0.0.1:{settings.metrics_port}: "):
        async with observer_of(settings).serving():
            pass


@activity.defn
async def _nothing() -> None: ...
