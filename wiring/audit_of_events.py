"""The audit of events: their publication, their consumption, and the audit log."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from audit.chain import audit_chain
from audit.event_copies import Listener
from audit.events import audit_events
from audit.invariants import NotJudged, Violation
from audit.reading import reading
from choreography.events import PUBLISHED
from choreography.reaction import lines_of
from choreography.reactions import REACTIONS
from choreography.reactor import rule_of
from client.events import PUBLISHED as BY_OPERATIONS
from kernel.database import Database
from kernel.environment import one_line
from kernel.errors import DatabaseDown, SettingsError
from kernel.inbox import inbox
from kernel.outbox import outbox
from messaging.subscription import Rule
from services import SERVICES
from settings import Settings
from subscribers.audit_log import NAME as AUDIT_LOG
from wiring.bus import EventBus, bus_is_there, with_bus

_OUTSIDE = (*PUBLISHED, *BY_OPERATIONS)


def audit_of_events(settings: Settings, not_judged: list[NotJudged], since: int = 0) -> list[Violation]:
    """Violations: events that were not published or consumed as they should be, and damage to the audit log.

    Args:
        not_judged: gets what was left out, and why.
        since: only events from this time on, in milliseconds since 1970.

    Raises:
        SettingsError, BusDown: a database or the bus cannot be read.
    """
    if not bus_is_there(settings):
        if any(_has_published(settings, service.name) for service in SERVICES):
            raise SettingsError(
                f"the bus cannot be read: there is no {settings.url_of('bus')}, but services have published events"
            )
        not_judged.append(NotJudged(order_id="", why="events: there is no bus; a worker with the role relay makes it"))
        return []

    async def run(events: EventBus) -> list[Violation]:
        listeners: list[Listener] = []
        listeners += _services(settings)
        listeners += _subscribers(events)
        return [
            *await audit_events(settings, events.bus, not_judged, listeners, since, _OUTSIDE),
            *audit_chain(_audit_log(events), events.progress, since),
        ]

    try:
        return with_bus(settings, run, for_reading=True)
    except SQLAlchemyError as error:
        raise SettingsError(f"the records of consumers cannot be read: {one_line(error)[:200]}") from None


def _has_published(settings: Settings, service: str) -> bool:
    with reading(settings, service) as tx:
        return tx.scalar(select(outbox.c.position).where(outbox.c.published_at > 0).limit(1)) is not None


def _known(database: AbstractContextManager[Connection], ids: Sequence[str]) -> set[str]:
    with database as tx:
        return set(tx.scalars(select(inbox.c.event_id).where(inbox.c.event_id.in_(ids))))


def _services(settings: Settings) -> Iterator[Listener]:
    for service in SERVICES:

        def known(ids: Sequence[str], name: str = service.name) -> set[str]:
            return _known(reading(settings, name), ids)

        yield Listener(service.name, rule_of(lines_of(REACTIONS, service.name)), known)


def _subscribers(events: EventBus) -> Iterator[Listener]:
    """None while the audit log has no inbox: `audit_chain` reports a lost one once, and not once per event."""
    database = _audit_log(events)
    if database is None:
        return
    with database.begin() as tx:
        has_inbox = inspect(tx).has_table(inbox.name)
    if has_inbox:
        yield Listener(AUDIT_LOG, Rule(), lambda ids: _known(database.begin(), ids))


def _audit_log(events: EventBus) -> Database | None:
    """None if there is none: it was lost, or no subscriber ever ran."""
    try:
        return events.database(AUDIT_LOG)
    except DatabaseDown:
        return None
