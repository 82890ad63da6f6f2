"""Runs the saga, the services' activities, and the consumers of events: all in one process, or any with `--role`."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer
from temporalio.client import Client
from temporalio.worker import Interceptor, UnsandboxedWorkflowRunner, Worker

from activities.not_hosted import not_hosted
from activities.refusal_interceptor import RefusalInterceptor
from kernel.environment import one_line
from kernel.errors import SettingsError
from kernel.service import Service, Wrap, unwrapped
from services import SERVICES
from settings import Settings, load
from wiring.bus_roles import on_the_bus
from wiring.observer import Observer, RunningWorker, observer_of
from wiring.processes import Supervisor, default_count, supervise
from wiring.program import exit_code_of, leave
from wiring.roles import BY_DEFAULT, ON_TEMPORAL, OPERATIONS, ROLES, SAGA, WEB
from wiring.services import Services
from wiring.supervision import OnceMade, Part, Parts, Supervised, first_attempt
from wiring.temporal import connect, ensure_search_attributes, runtime
from workflows.order_saga import OrderSaga

if TYPE_CHECKING:
    from web.stage import Stage

_log = logging.getLogger("worker")

_BEAT_SECONDS = 5
# The orders whose steps are tried in place at one time, so that each runs soon; the others wait on the server.
_ORDERS_AT_ONCE = 16


def _known(roles: list[str] | None) -> list[str] | None:
    for role in roles or ():
        if role not in ROLES:
            raise typer.BadParameter(f"'{role}' is not one of {', '.join(map(repr, ROLES))}")
    return roles


RoleOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROLE",
        callback=_known,
        help=f"What to run; repeatable. One of: {', '.join(ROLES)}. Default: all except web.",
    ),
]


ProcessesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of processes; also PROCESSES. Default: half the number of cores, or one with --role.",
        show_default=False,
    ),
]


class _Common(TypedDict):
    activity_executor: ThreadPoolExecutor
    max_concurrent_activities: int
    graceful_shutdown_timeout: timedelta
    interceptors: Sequence[Interceptor]


def build(
    client: Client,
    settings: Settings,
    services: Services,
    roles: Sequence[str],
    interceptors: Sequence[Interceptor] = (),
) -> list[Worker]:
    """One Temporal worker for each role that has a task queue, all in this process. Raises SettingsError."""
    roles = [role for role in roles if role in ON_TEMPORAL]
    # Activities block on their databases, so each runs in a thread.
    count = settings.max_concurrent_activities * max(1, len(roles))
    threads = ThreadPoolExecutor(count, thread_name_prefix="activity")
    common: _Common = {
        "activity_executor": threads,
        "max_concurrent_activities": settings.max_concurrent_activities,
        "graceful_shutdown_timeout": timedelta(seconds=settings.shutdown_grace),
        "interceptors": [*interceptors, RefusalInterceptor()],
    }
    hosted = {service.name: services.activities(service) for service in SERVICES if service.name in roles}
    workers = [Worker(client, task_queue=name, activities=activities, **common) for name, activities in hosted.items()]
    if SAGA in roles:
        workers.append(
            Worker(
                client,
                task_queue=SAGA,
                workflows=[OrderSaga],
                # Any saga worker may get any order, and must answer each step that the order tries in place.
                activities=[each for one in SERVICES for each in hosted.get(one.name) or not_hosted(one)],
                no_remote_activities=True,
                # The sandbox would take a third of this process' time; tests replay every history in it, and ruff
                # refuses in workflows/ what cannot be replayed (docs/decisions/0018-no-sandbox-in-production.md).
                workflow_runner=UnsandboxedWorkflowRunner(),
                max_concurrent_workflow_tasks=_ORDERS_AT_ONCE,
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
                **common,
            )
        )
    return workers


async def run(
    settings: Settings,
    roles: Sequence[str],
    observer: Observer,
    wrap: Wrap = unwrapped,
    stage: "Stage | None" = None,
    ready: Callable[[], None] = lambda: None,
) -> int:
    """Run until a signal; returns the exit code. Raises SettingsError, Unreachable."""
    async with observer.serving():
        return await _run(settings, roles, observer, wrap, stage, ready)


async def _run(
    settings: Settings,
    roles: Sequence[str],
    observer: Observer,
    wrap: Wrap,
    stage: "Stage | None",
    ready: Callable[[], None],
) -> int:
    services, state = Services(settings, observer.wrap(wrap)), Parts()
    hosts = [service for service in SERVICES if service.name in roles]
    openings = [OnceMade(f"service {one.name}", partial(_opened, services, one), state) for one in hosts]
    client: Client | None = None
    workers, where = list[Worker](), ""
    if set(roles) & {*ON_TEMPORAL, OPERATIONS}:
        client = await connect(settings, observer.runtime or runtime())
        if SAGA in roles:
            await ensure_search_attributes(client)
        workers = build(client, settings, services, roles, observer.interceptors)
        if OPERATIONS in roles:
            from wiring.operations import operations_worker

            workers.append(await operations_worker(client, settings, observer.interceptors))
        where = f" at {client.service_client.config.target_host}, namespace {client.namespace}"

    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    async with AsyncExitStack() as parts:
        parts.callback(services.close)
        running: list[asyncio.Task[None]] = []
        await first_attempt(openings)
        opening = [Supervised(one, one.name, state) for one in openings]
        running += [asyncio.create_task(one.run()) for one in opening]
        running += await parts.enter_async_context(on_the_bus(settings, services, roles, state))
        if OPERATIONS in roles:
            from wiring.operators import notifying

            running += await parts.enter_async_context(notifying(settings, services, state))
        if WEB in roles:
            from web.server import page

            running += await parts.enter_async_context(page(settings, stage))
        running += [asyncio.create_task(worker.run()) for worker in workers]
        observer.started(RunningWorker(roles, services, client, workers, state))
        ready()
        _log.info("ready: %s%s", ", ".join(roles), where)
        stopped = asyncio.create_task(stop.wait())
        beating = asyncio.create_task(_beat(settings.heartbeat)) if settings.heartbeat else stopped
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        beating.cancel()
        observer.stopping()
        if stop.is_set():
            _log.info("stopping: running activities may finish within %g s", settings.shutdown_grace)
        await asyncio.gather(*(worker.shutdown() for worker in workers))
        for one in opening:
            one.stop()
        stopped.cancel()
    failures = [failure for failure in await asyncio.gather(*running, return_exceptions=True) if failure]
    for failure in failures:
        _log.error("cannot continue: %s", one_line(failure.__cause__ or failure))
    _log.info("stopped")
    return 1 if failures else 0


def _opened(services: Services, service: Service[Any]) -> Sequence[Part]:
    services.open(service)
    return ()


async def _beat(heart: Path) -> None:
    """Touch the file again and again, for a supervisor of this process."""
    while True:
        await asyncio.to_thread(heart.touch)
        await asyncio.sleep(_BEAT_SECONDS)


def begin_logging(observer: Observer) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(observer.formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(True)
    for noisy in ("alembic", "temporalio.worker", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def main(role: RoleOption = None, processes: ProcessesOption = None) -> int:
    """Run the order saga, its services' activities, and the consumers of their events, until SIGTERM or SIGINT."""
    if os.environ.get("FAULTS"):
        raise SettingsError("FAULTS: worker.py injects no faults; unset it, or use 'python -m lab worker'")
    settings = load()
    roles = role or BY_DEFAULT
    supervisor = Supervisor(settings)
    count = processes or settings.processes or (1 if role or supervisor.is_there else default_count())
    if count > 1:
        begin_logging(observer_of(settings.model_copy(update={"metrics_port": None})))
        return supervise(settings, __file__, roles, frozenset({WEB, OPERATIONS}), count)
    observer = observer_of(settings)
    begin_logging(observer)
    return asyncio.run(run(settings, roles, observer, ready=supervisor.ready))


def program(name: str, command: Callable[..., int], epilog: str | None = None) -> int:
    """Run a worker's command line; returns its exit code."""
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command(epilog=epilog)(command)
    return exit_code_of(app, name)


if __name__ == "__main__":
    leave(program("worker.py", main))
