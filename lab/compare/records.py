"""Reads the records of a finished run from the databases and the Temporal server."""

import asyncio
import time
from contextlib import closing

from sqlalchemy import Select, func, select
from temporalio.client import Client, WorkflowExecutionStatus

from client.protocol import OrderClient
from kernel.contracts import Style
from kernel.database import Database
from kernel.inbox import inbox
from kernel.operations import operations
from kernel.outbox import is_waiting, outbox
from lab.compare.observations import History, Records
from lab.compare.watch import Watch
from lab.compare.writes import rows_written
from messaging.failure import FailureState
from services import SERVICES
from services.orders.contracts import OrderStatus
from settings import Settings
from subscribers import analytics, audit_log, notifications
from wiring.bus import EventBus
from workflows.contracts import workflow_id

SUBSCRIBERS = (notifications.NAME, analytics.NAME, audit_log.NAME)  # webhooks have no endpoint here

_LOOK_SECONDS = 0.1
_NAMES = tuple(service.name for service in SERVICES)
_CATCH_UP_SECONDS = 120
_AT_ONCE = 10
_FAILED = (OrderStatus.REJECTED, OrderStatus.CANCELLED)


async def caught_up(settings: Settings, style: Style, eventing: EventBus, watch: Watch) -> list[str]:
    """Wait until every event is published and consumed. Returns what is still behind at the deadline."""
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while (behind := await _behind(settings, style, eventing, watch)) and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
    return behind


async def _behind(settings: Settings, style: Style, eventing: EventBus, watch: Watch) -> list[str]:
    if waiting := await asyncio.to_thread(unsent, settings):
        return [f"the relay is behind with the events of {service}" for service in waiting]
    if watch.position < await eventing.bus.head():
        return ["the bus has unreadable events"]
    consumers = (*_NAMES, *SUBSCRIBERS) if style is Style.CHOREOGRAPHY else SUBSCRIBERS
    behind = []
    for consumer in consumers:
        reached = await asyncio.to_thread(eventing.progress.positions, consumer)
        if any(reached[partition] < position for partition, position in watch.last_of.items()):
            behind.append(f"the consumer {consumer} is behind")
    return behind


def unsent(settings: Settings) -> list[str]:
    """The services with events that are not published yet."""
    waiting = select(func.count()).select_from(outbox).where(is_waiting)
    return [service for service in _NAMES if _number(settings, service, waiting)]


def _number(settings: Settings, database: str, query: Select[int]) -> int:
    with closing(Database(settings.url_of(database), for_reading=True)) as opened, opened.begin() as tx:
        return int(tx.scalar(query) or 0)


async def records(
    settings: Settings, events: EventBus, client: OrderClient, histories: dict[str, History], watch: Watch
) -> Records:
    failed = [order_id for order_id, end in watch.ends.items() if end in _FAILED]
    repeats = func.sum(inbox.c.repeats)
    of_services = [_number(settings, service, select(repeats)) for service in _NAMES]
    return Records(
        rows=rows_written(settings.data_dir),
        repeated_requests=sum(_number(settings, service, select(func.sum(operations.c.repeats))) for service in _NAMES),
        repeated_events=sum(of_services) + sum(_repeats(events.database(name)) for name in SUBSCRIBERS),
        dead_letters=len(events.progress.failures(FailureState.DEAD)),
        histories=histories,
        status_lines={order_id: len((await client.get(order_id)).state.steps) for order_id in failed},
    )


def _repeats(database: Database) -> int:
    with database.begin() as tx:
        return int(tx.scalar(select(func.sum(inbox.c.repeats))) or 0)


async def histories(client: Client, ends: dict[str, OrderStatus]) -> dict[str, History]:
    """The costs of the orders' workflows that have ended."""
    places = asyncio.Semaphore(_AT_ONCE)
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    found: dict[str, History] = {}

    async def look_at(order_id: str) -> None:
        handle = client.get_workflow_handle(workflow_id(order_id))
        async with places:
            while time.monotonic() < deadline:
                described = await handle.describe()
                stays_open = ends[order_id] is OrderStatus.NEEDS_ATTENTION
                if stays_open or described.status is not WorkflowExecutionStatus.RUNNING:
                    info = described.raw_description.workflow_execution_info
                    found[order_id] = History(info.history_length, info.state_transition_count)
                    return
                await asyncio.sleep(_LOOK_SECONDS)

    await asyncio.gather(*map(look_at, ends))
    return found
