"""Is the audit log intact?"""

from sqlalchemy.exc import SQLAlchemyError

from audit.invariants import Violation
from kernel.database import Database
from kernel.environment import one_line
from messaging.progress import Progress
from subscribers.audit_log import NAME as AUDIT_LOG
from subscribers.audit_log import verify


def audit_chain(database: Database | None, progress: Progress, since: int = 0) -> list[Violation]:
    """The audit log's violations: each entry must continue the one before it.

    Args:
        database: None if there is none.
        progress: shows whether a log must exist; if no subscriber ever ran, nothing is missing.
        since: only the entries of events from this time on, in milliseconds since 1970.
    """
    try:
        problems = verify(database, since) if database else ["it is gone"]
        is_there = database is not None
    except SQLAlchemyError as error:
        problems, is_there = [f"it cannot be read: {one_line(error)[:200]}"], False
    if not is_there and not any(progress.begun(AUDIT_LOG).values()):
        problems = []
    return [Violation(order_id="", invariant="the audit log is a chain", detail=problem) for problem in problems]
