"""What needs a person on the bus: dead letters, lagging consumers and outboxes, endpoints that are down."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from client.attention import AttentionEntry, AttentionKind, Part, plain, unseen
from kernel.database import Database
from kernel.environment import one_line
from kernel.errors import DatabaseDown
from kernel.outbox import is_waiting, outbox
from messaging.failure import DeliveryFailure, FailureState
from messaging.lag import MOST, Lag, lag
from messaging.quarantine import Quarantine, QuarantinedMessage
from services import SERVICES
from services.orders.declaration import ORDERS
from settings import Settings
from wiring.audit_reports import AuditFinding, Examination, last_report
from wiring.bus import EventBus, bus_is_there, open_bus
from wiring.bus_roles import Maker, makers_of_consumers

_REACTING = {service.name for service in SERVICES}


def parts_of_the_bus(settings: Settings, after: timedelta) -> list[Part]:
    """The parts of the bus, each asked separately; without a bus, whether a worker has run with these settings."""

    async def has_run() -> list[AttentionEntry]:
        await asyncio.to_thread(lambda: Database(settings.url_of(ORDERS.name), for_reading=True).close())
        return []

    if not bus_is_there(settings):
        return [Part(f"the database of {ORDERS.name}", "starter.py audit", has_run)]

    def of_outbox(service: str) -> Part:
        async def ask() -> list[AttentionEntry]:
            return await asyncio.to_thread(_outbox, settings, service, after)

        return Part(f"the database of {service}", "starter.py audit", ask)

    return [
        Part("dead letters", "starter.py events dead-letters list", lambda: _dead_letters(settings)),
        Part("consumers", "starter.py events consumers", lambda: _consumers(settings, after)),
        Part("the last audit", "starter.py audit", lambda: _last_audit(settings)),
        *(of_outbox(service.name) for service in SERVICES),
    ]


async def _dead_letters(settings: Settings) -> list[AttentionEntry]:
    async with open_bus(settings, for_reading=True) as events:
        dead = await asyncio.to_thread(events.progress.failures, FailureState.DEAD)
        quarantined = await asyncio.to_thread(Quarantine(events.progress).messages)
    return [*map(_dead, dead), *map(_quarantined, quarantined)]


async def _consumers(settings: Settings, after: timedelta) -> list[AttentionEntry]:
    """One whose database cannot be read hides no other."""
    now, entries = datetime.now(UTC), list[AttentionEntry]()
    async with open_bus(settings, for_reading=True) as events:
        for maker in makers_of_consumers(events):
            try:
                found = await _lags_of(events, maker)
            except (DatabaseDown, SQLAlchemyError) as error:
                entries.append(unseen(f"the consumer {maker.name}", one_line(error), "starter.py events consumers"))
            else:
                entries += [entry for one in found for entry in _of_consumer(one, after, now)]
    return entries


async def lags(events: EventBus) -> list[Lag]:
    """The lag of every consumer. Raises SettingsError, BusDown, SQLAlchemyError."""
    return [one for maker in makers_of_consumers(events) for one in await _lags_of(events, maker)]


async def _lags_of(events: EventBus, maker: Maker) -> list[Lag]:
    listeners = await asyncio.to_thread(maker.make)
    return [await lag(events.bus, events.progress, one) for one in listeners.subscriptions]


async def _last_audit(settings: Settings) -> list[AttentionEntry]:
    """The findings of the last audit, and those of the last reconciliation that the audit does not have."""
    found = dict[str, AttentionEntry]()
    for examination in Examination:
        report = await asyncio.to_thread(last_report, settings, examination)
        entries = [_finding(one, report.made_at) for one in report.findings] if report else []
        found = {entry.id: entry for entry in entries} | found
    return list(found.values())


def _outbox(settings: Settings, service: str, after: timedelta) -> list[AttentionEntry]:
    with closing(Database(settings.url_of(service), for_reading=True)) as database, database.begin() as tx:
        waiting, oldest = tx.execute(select(func.count(), func.min(outbox.c.occurred_at)).where(is_waiting)).one()
    since = datetime.fromtimestamp((oldest or 0) / 1000, UTC)
    if not waiting or datetime.now(UTC) - since < after:
        return []
    why = f"{waiting} events of {service} are not on the bus; is a worker with the role relay running?"
    return [
        AttentionEntry(
            kind=AttentionKind.OUTBOX,
            subject=service,
            why=why,
            since=since,
            then="they are published once a relay runs and the bus answers",
            command="worker.py --role relay",
        )
    ]


def _dead(letter: DeliveryFailure) -> AttentionEntry:
    return AttentionEntry(
        kind=AttentionKind.DEAD_LETTER,
        subject=letter.id,
        order_id=letter.recorded.event.correlationid,
        step=letter.consumer,
        why=plain(letter.error),
        since=datetime.fromtimestamp(letter.first_failed_at, UTC),
        attempt=letter.attempts,
        then="nothing: it is not retried any more",
        command=f"starter.py events dead-letters retry {letter.id} --consumer {letter.consumer}",
    )


def _quarantined(message: QuarantinedMessage) -> AttentionEntry:
    return AttentionEntry(
        kind=AttentionKind.QUARANTINED,
        subject=message.id,
        step=message.consumer,
        why=f"it cannot be read: {message.message.why}",
        then="nothing: a release that can read it, or a person, must deal with it",
        command=f"starter.py events dead-letters discard {message.id} --note TEXT",
    )


def _finding(found: AuditFinding, made_at: datetime) -> AttentionEntry:
    return AttentionEntry(
        kind=AttentionKind.AUDIT,
        subject=found.order_id or "as a whole",
        order_id=found.order_id,
        step=found.invariant,
        why=found.detail,
        since=made_at,
        then="nothing: the next audit shows whether it still holds",
        command="starter.py audit",
    )


def _of_consumer(found: Lag, after: timedelta, now: datetime) -> Iterator[AttentionEntry]:
    endpoint = found.subscription.endpoint
    kind = AttentionKind.WEBHOOK if endpoint else AttentionKind.CONSUMER
    subject = endpoint or found.consumer
    if found.problem:
        then, command = "nothing: it waits, and skips no event", "starter.py events republish"
        yield AttentionEntry(kind=kind, subject=subject, why=found.problem, then=then, command=command)
        return
    oldest = min((one.first_failed_at for one in found.retrying), default=None)
    since = datetime.fromtimestamp(oldest, UTC) if oldest else None
    behind = f"{found.behind:,}{' or more' if found.behind >= MOST else ''} events wait"
    if since and now - since >= after and found.consumer not in _REACTING:  # what services retry is an order's
        yield AttentionEntry(
            kind=kind,
            subject=subject,
            why=f"{plain(found.retrying[-1].error)}; {behind}",
            since=since,
            attempt=max(one.attempts for one in found.retrying),
            then="they are retried, and become dead letters in the end",
            command=f"starter.py events deliveries --to {endpoint}" if endpoint else "starter.py events consumers",
        )
    elif found.waiting_since and now - found.waiting_since >= after:
        role = "choreography" if found.consumer in _REACTING else "subscribers"
        yield AttentionEntry(
            kind=kind,
            subject=subject,
            why=f"{behind}, and no process handles them; is a worker with the role {role} running?",
            since=found.waiting_since,
            then="they are handled once one runs",
            command=f"worker.py --role {role}",
        )
