"""The part of `starter.py audit` that is about events."""

from audit.chain import audit_chain
from audit.events import audit_events
from audit.invariants import Violation
from settings import Settings
from subscribers.audit_log import NAME as AUDIT_LOG
from wiring.bus import EventBus, with_bus


def audit_of_events(settings: Settings) -> list[Violation]:
    """Whether events were published as they should be, and the audit log is whole. Raises SettingsError."""

    async def run(events: EventBus) -> list[Violation]:
        return [
            *await audit_events(settings, events.bus),
            *audit_chain(events.database(AUDIT_LOG), events.progress),
        ]

    return with_bus(settings, run)
