"""The readiness checks behind `/readyz`: whether a worker can do the work of its roles."""

import asyncio
import time
from functools import partial

from sqlalchemy import text
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.worker import Worker

from kernel.database import Database
from messaging.bus import PARTITIONS, WrongLog
from messaging.log_check import problem
from observability.checks import Question
from wiring.observed import Observed
from wiring.roles import SAGA

_LONGEST_POLL_SECONDS = 60
_ALIVE = text("SELECT 1")


class NotReady(Exception):
    """Why, in one line."""


def readiness(observed: Observed) -> dict[str, Question[None]]:
    """The checks of this worker's roles, by name: each raises when its part does not work."""
    checks: dict[str, Question[None]] = {
        f"database {name}": partial(_answers, observed.database(name)) for name in observed.databases()
    }
    client = observed.worker.client
    if client:
        checks["Temporal"] = partial(_is_there, client)
        for worker in observed.worker.temporal_workers:
            checks[f"task queue {worker.task_queue}"] = partial(_polls, client, worker)
    if observed.is_on_the_bus:
        checks["bus"] = partial(_is_readable, observed)
        checks["consumers"] = partial(_read_on, observed)
    for name, why in observed.worker.parts.failing.items():
        checks[name] = partial(_fails, why)
    return checks


async def _fails(why: str) -> None:
    """For a part that keeps failing, or waits for its database. Raises NotReady."""
    raise NotReady(why)


async def _answers(database: Database) -> None:
    def ask() -> None:
        with database.begin() as tx:
            tx.execute(_ALIVE)

    await asyncio.to_thread(ask)


async def _is_there(client: Client) -> None:
    """Raises RPCError."""
    await client.workflow_service.get_system_info(GetSystemInfoRequest())


async def _polls(client: Client, worker: Worker) -> None:
    """Whether this process polls the task queue, by the server's list of pollers. Raises RPCError, NotReady."""
    if not worker.is_running:
        raise NotReady("it is not polled")
    kind = (
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW if worker.task_queue == SAGA else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=worker.task_queue), task_queue_type=kind
    )
    pollers = (await client.workflow_service.describe_task_queue(request)).pollers
    recently = time.time() - 2 * _LONGEST_POLL_SECONDS
    if not any(one.identity == client.identity and one.last_access_time.seconds > recently for one in pollers):
        raise NotReady("the Temporal server does not see this process poll it")


async def _is_readable(observed: Observed) -> None:
    """Raises SettingsError, BusDown."""
    bus = (await observed.events()).bus
    head = await bus.head()
    for partition in range(PARTITIONS):
        reader = await bus.read(partition, head)
        try:
            await reader.next(1, 0)
        finally:
            await reader.close()


async def _read_on(observed: Observed) -> None:
    """Raises WrongLog when a consumer has stopped because the log is another one, and waits for a person."""
    events = await observed.events()
    for subscription in await observed.subscriptions():
        if why := await problem(events.bus, events.progress, subscription.name):
            raise WrongLog(f"{subscription.name}: {why}")
