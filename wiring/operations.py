"""Constructs the role `operations`: scheduled examinations of the whole shop, which block no order."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from activities.operations import Examined, Finding, Operations
from audit.invariants import Report
from audit.reconciliation import reconcile as reconcile_books
from client.events import OPERATIONS, DiscrepanciesFound
from kernel.contracts import Style
from kernel.envelope import new_event
from kernel.keys import event_id
from settings import Settings
from wiring.audit_reports import Examination, keep_report
from wiring.auditing import audit
from wiring.bus import open_bus
from wiring.schedules import ensure_schedules
from workflows.examinations import TASK_QUEUE, Audit, Reconciliation

_SHOWN = 20


async def operations_worker(client: Client, settings: Settings, interceptors: Sequence[Interceptor] = ()) -> Worker:
    """The role's Temporal worker; also creates its schedules on the server, according to the settings."""
    await ensure_schedules(client, settings)
    activities = Operations(
        _examine(Examination.AUDIT, lambda: audit(settings)),
        _examine(Examination.RECONCILIATION, lambda: reconcile(settings)),
        lambda examined, run: _publish(settings, examined, run),
    )
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Audit, Reconciliation],
        activities=activities.all(),
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_grace),
        interceptors=interceptors,
    )


def reconcile(settings: Settings) -> Report:
    """Compare our books with the records of the companies behind our services. Raises SettingsError."""
    report = reconcile_books(settings)
    keep_report(settings, report, Examination.RECONCILIATION)
    return report


def _examine(examination: Examination, look: Callable[[], Report]) -> Callable[[], Examined]:
    def examine() -> Examined:
        report = look()
        shown = (Finding(order_id=one.order_id, invariant=one.invariant) for one in report.violations[:_SHOWN])
        return Examined(
            examination=examination,
            orders=report.orders,
            findings=len(report.violations),
            shown=tuple(shown),
            not_judged=len(report.not_judged),
        )

    return examine


async def _publish(settings: Settings, examined: Examined, run: str) -> None:
    """Raises BusDown, SettingsError."""
    orders = tuple(dict.fromkeys(one.order_id for one in examined.shown if one.order_id))
    found = DiscrepanciesFound(examination=examined.examination, findings=examined.findings, orders=orders)
    event = new_event(
        found.type(),
        found.model_dump(mode="json"),
        event_id=event_id(OPERATIONS, examined.examination, run, found.type()),
        source="/operations",
        correlation=OPERATIONS,
        causation=f"{examined.examination}/{run}",
        style=Style.ORCHESTRATION,
    )
    async with open_bus(settings) as events:
        await events.bus.append([event])
