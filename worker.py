"""Runs the saga, the services' activities, and who listens to events: all in one process, or any with `--role`."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from temporalio.client import Client
from temporalio.worker import Worker

from activities.elsewhere import Elsewhere
from activities.refusals import Refusals
from cli.program import exit_code_of, leave
from composition import Shop, connect, ensure_search_attributes
from eventing import Eventing
from services.faults import __doc__ as faults_help
from settings import Settings, load, one_line
from workflows.contracts import TASK_QUEUE
from workflows.order_saga import OrderSaga

_log = logging.getLogger("worker")

_BEAT_SECONDS = 5


class Role(StrEnum):
    """A part of the system that can be run alone. Up to shipping, its name is its task queue on the Temporal server."""

    SAGA = TASK_QUEUE
    ORDERS = "orders"
    FRAUD = "fraud"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    SHIPPING = "shipping"
    RELAY = "relay"
    CHOREOGRAPHY = "choreography"
    SUBSCRIBERS = "subscribers"


ON_THE_BUS = (Role.RELAY, Role.CHOREOGRAPHY, Role.SUBSCRIBERS)


def build(client: Client, settings: Settings, shop: Shop, roles: Sequence[Role]) -> list[Worker]:
    """One Temporal worker a role that has a task queue, all in this process. Raises SettingsError."""
    roles = [role for role in roles if role not in ON_THE_BUS]
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
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
                **common,
            )
        )
    return workers


def _elsewhere() -> Sequence[Callable[..., Any]]:
    stand_in = Elsewhere()
    return stand_in.create, stand_in.complete


class Part(Protocol):
    """Something that works until it is stopped, and then finishes what is under way."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


@asynccontextmanager
async def listening(settings: Settings, shop: Shop, roles: Sequence[Role]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run what these roles have on the bus: the relay, the services' reactions, the subscribers. Raises SettingsError.

    Gives the tasks, which end only in trouble. At the end of the block, what was begun is finished, and what it
    published is on the bus.
    """
    if not set(roles) & set(ON_THE_BUS):
        yield []
        return
    eventing = Eventing(settings, shop)
    relay = eventing.relay() if Role.RELAY in roles else None
    subscriptions = eventing.reactions() if Role.CHOREOGRAPHY in roles else []
    subscriptions += eventing.subscriptions() if Role.SUBSCRIBERS in roles else []
    listeners: list[Part] = [eventing.consumer(one, relay.nudge if relay else _nothing) for one in subscriptions]
    listeners += [eventing.deadlines()] if Role.CHOREOGRAPHY in roles else []
    relays: list[Part] = [relay] if relay else []
    in_order = [listeners, relays]  # the relay last: it takes on what the others still write
    running = [[asyncio.create_task(part.run()) for part in parts] for parts in in_order]
    try:
        yield [task for tasks in running for task in tasks]
    finally:
        for parts, tasks in zip(in_order, running, strict=True):
            for part in parts:
                part.stop()
            if tasks:
                await asyncio.wait(tasks)
        await eventing.close()


def _nothing() -> None:
    """Another process relays; it will see."""


async def _run(settings: Settings, roles: Sequence[Role]) -> int:
    """Until a signal; the exit code."""
    shop = Shop(settings)
    workers, where = list[Worker](), "no Temporal server"
    if set(roles) - set(ON_THE_BUS):
        client = await connect(settings)
        if Role.SAGA in roles:
            await ensure_search_attributes(client)
        workers = build(client, settings, shop, roles)
        where = f"{client.service_client.config.target_host}, namespace {client.namespace}"

    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    async with listening(settings, shop, roles) as listeners:
        running = [*listeners, *(asyncio.create_task(worker.run()) for worker in workers)]
        _log.info("ready: %s at %s, bus %s", ", ".join(roles), where, settings.bus_url or "in SQL")
        stopped = asyncio.create_task(stop.wait())
        beating = asyncio.create_task(_beat(settings.heartbeat)) if settings.heartbeat else stopped
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        beating.cancel()
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


async def _beat(heart: Path) -> None:
    """For whoever watches over this process from outside."""
    while True:
        await asyncio.to_thread(heart.touch)
        await asyncio.sleep(_BEAT_SECONDS)


def main(
    role: Annotated[
        list[Role] | None, typer.Option(help="What to run; may be given several times. Without it: everything.")
    ] = None,
    faults: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Faults to inject, as described below; also FAULTS.")
    ] = None,
) -> int:
    """Run the order saga, its services' activities, and who listens to their events, until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("alembic", "temporalio.worker", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    settings = load()
    if faults is not None:
        settings = settings.model_copy(update={"faults": faults})
    return asyncio.run(_run(settings, role or list(Role)))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(epilog=faults_help)(main)
    leave(exit_code_of(lambda: app(standalone_mode=False)))
