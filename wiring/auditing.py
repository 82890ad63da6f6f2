"""The audit of the whole shop, for the command line and the schedule; it stores its report."""

from audit.invariants import NotJudged, Report
from audit.invariants import audit as audit_books
from settings import Settings
from wiring.audit_of_events import audit_of_events
from wiring.audit_reports import keep_report
from wiring.stranded_orders import audit_of_workflows


def audit(settings: Settings, since: int = 0, since_in_words: str = "") -> Report:
    """Judge all books and all events, and check that a workflow drives each order that has not ended.

    Args:
        since: only orders that changed at or after this time (milliseconds since 1970), or that have not ended.

    Raises:
        SettingsError, BusDown: a database or the bus cannot be read.
    """
    report = audit_books(settings, since)
    report.violations += audit_of_workflows(settings, report.not_judged)
    report.violations += audit_of_events(settings, report.not_judged, since)
    if since:
        why = (
            f"orders that have ended, and have not changed since {since_in_words}; "
            "events, and entries of the audit log, of before then"
        )
        report.not_judged.append(NotJudged(order_id="", why=why))
    if report.violations or not since:  # what was not judged is no reason to forget what was found before
        keep_report(settings, report)
    return report
