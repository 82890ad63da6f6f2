"""Runs the saga and the services' activities: all in one process, or any of them with `--role`."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer
from temporalio.client import Client
from temporalio.worker import Worker

from activities.elsewhere import Elsewhere
from activities.refusals import Refusals
from cli.program import exit_code_of, leave
from composition import Shop, connect, ensure_search_attributes
from services.faults import __doc__ as faults_help
from settings import Settings, load, one_line
from workflows.contracts import TASK_QUEUE
from workflows.order_saga import OrderSaga

_log = logging.getLogger("worker")


class Role(StrEnum):
    """A part of the system that can be run alone; its name is its task queue."""

    SAGA = TASK_QUEUE
    ORDERS = "orders"
    FRAUD = "fraud"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    SHIPPING = "shipping"


def build(client: Client, settings: Settings, shop: Shop, roles: Sequence[Role]) -> list[Worker]:
    """One Temporal worker a role, all in this process. Raises SettingsError."""
    # Activities block on their databases, so each runs in a thread.
    threads = ThreadPoolExecutor(settings.max_concurrent_activities * len(roles), thread_name_prefix="activity")
    common: dict[str, Any] = {
        "activity_executor": threads,
        "max_concurrent_activities": settings.max_concurrent_activities,
        "graceful_shutdown_timeout": timedelta(seconds=settings.shutdown_grace),
        "interceptors": [Refusals()],
    }
    activities = {role: shop.activities(role) for role in roles if role is not Role.SAGA}
    workers = [Worker(client, task_queue=role, activities=does, **common) for role, does in activities.items()]
    if Role.SAGA in roles:
        workers.append(
            Worker(
                client,
                task_queue=TASK_QUEUE,
                workflows=[OrderSaga],
                activities=activities.get(Role.ORDERS) or _elsewhere(),
                no_remote_activities=True,
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
                **common,
            )
        )
    return workers


def _elsewhere() -> Sequence[Callable[..., Any]]:
    stand_in = Elsewhere()
    return stand_in.create, stand_in.complete


async def _run(settings: Settings, roles: Sequence[Role]) -> int:
    """Until a signal; the exit code."""
    shop = Shop(settings)
    client = await connect(settings)
    if Role.SAGA in roles:
        await ensure_search_attributes(client)
    workers = build(client, settings, shop, roles)

    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    running = [asyncio.create_task(worker.run()) for worker in workers]
    _log.info(
        "ready: %s at %s, namespace %s", ", ".join(roles), client.service_client.config.target_host, client.namespace
    )
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        _log.info("stopping: running activities may finish within %g s", settings.shutdown_grace)
    await asyncio.gather(*(worker.shutdown() for worker in workers if worker.is_running))
    stopped.cancel()
    failures = [failure for failure in await asyncio.gather(*running, return_exceptions=True) if failure]
    shop.close()
    for failure in failures:
        _log.error("cannot go on: %s", one_line(failure.__cause__ or failure))
    _log.info("stopped")
    return 1 if failures else 0


def main(
    role: Annotated[
        list[Role] | None, typer.Option(help="What to run; may be given several times. Without it: everything.")
    ] = None,
    faults: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Faults to inject, as described below; also FAULTS.")
    ] = None,
) -> int:
    """Run the order saga and its services' activities until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("alembic", "temporalio.worker"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    settings = load()
    if faults is not None:
        settings = settings.model_copy(update={"faults": faults})
    return asyncio.run(_run(settings, role or list(Role)))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(epilog=faults_help)(main)
    leave(exit_code_of(lambda: app(standalone_mode=False)))
