"""The audit of the whole shop, as the command line and the schedule run it; it leaves its report."""

from audit.invariants import NotJudged, Report
from audit.invariants import audit as audit_books
from settings import Settings
from wiring.audit_of_events import audit_of_events
from wiring.audit_reports import keep_report
from wiring.stranded_orders import audit_of_workflows


def audit(settings: Settings, since: int = 0, since_in_words: str = "") -> Report:
    """Judge all books, all events, and whether somebody moves each order that is not over.

    Args:
        since: only orders that changed since then (milliseconds since 1970), or are not over.

    Raises:
        SettingsError, BusDown: something cannot be read.
    """
    report = audit_books(settings, since)
    report.violations += audit_of_workflows(settings, report.not_judged)
    report.violations += audit_of_events(settings, report.not_judged, since)
    if since:
        why = (
            f"orders that are over, and to which nothing has happened since {since_in_words}, and events of before then"
        )
        report.not_judged.append(NotJudged(order_id="", why=why))
    if report.violations or not since:  # what was not judged is no reason to forget what was found before
        keep_report(settings, report)
    return report
