"""Stores the reports of audits and reconciliations; `attention` shows the latest of each."""

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, delete, insert, inspect, make_url, select

from kernel.contracts import Contract
from kernel.database import Database
from settings import Settings

_KEPT = 100

metadata = MetaData()


class Examination(StrEnum):
    """A kind of examination."""

    AUDIT = "audit"
    RECONCILIATION = "reconciliation"


_TABLES = {
    one: Table(
        f"{one}_reports",
        metadata,
        Column("made_at", BigInteger, primary_key=True, autoincrement=False, comment="milliseconds since 1970"),
        Column("report", Text, nullable=False, comment="JSON"),
    )
    for one in Examination
}


class AuditFinding(Contract):
    """`order_id` is empty for what concerns no single order."""

    order_id: str
    invariant: str
    detail: str


class AuditReport(Contract):
    """What one audit found: nothing, at best."""

    made_at: datetime
    orders: int
    findings: tuple[AuditFinding, ...]


class Found(Protocol):
    """An audit's report, as this module needs it without importing the audit."""

    @property
    def orders(self) -> int: ...
    @property
    def violations(self) -> Sequence[BaseModel]: ...


def keep_report(settings: Settings, found: Found, examination: Examination = Examination.AUDIT) -> AuditReport | None:
    """Store it, keeping the last hundred; None if there is no consumers' database to store it in.

    Raises SQLAlchemyError.
    """
    if not _is_there(settings):
        return None
    reports, made_at = _TABLES[examination], int(time.time() * 1000)
    findings = tuple(AuditFinding.model_validate(one.model_dump()) for one in found.violations)
    moment = datetime.fromtimestamp(made_at / 1000, UTC)
    report = AuditReport(made_at=moment, orders=found.orders, findings=findings)
    with closing(Database(settings.url_of("consumers"))) as database:
        database.alone(metadata.create_all)
        with database.begin() as tx:
            tx.execute(delete(reports).where(reports.c.made_at >= made_at))
            tx.execute(insert(reports), {"made_at": made_at, "report": report.model_dump_json()})
            newest = select(reports.c.made_at).order_by(reports.c.made_at.desc()).limit(_KEPT)
            tx.execute(delete(reports).where(reports.c.made_at.not_in(newest)))
    return report


def last_report(settings: Settings, examination: Examination = Examination.AUDIT) -> AuditReport | None:
    """The latest report; None if there is none. Raises SQLAlchemyError."""
    reports = _TABLES[examination]
    if not _is_there(settings):
        return None
    with closing(Database(settings.url_of("consumers"), for_reading=True)) as database, database.begin() as tx:
        if not inspect(tx).has_table(reports.name):
            return None
        last = tx.scalar(select(reports.c.report).order_by(reports.c.made_at.desc()).limit(1))
    return AuditReport.model_validate_json(last) if last else None


def _is_there(settings: Settings) -> bool:
    """A SQLite file is created by the first worker."""
    url = make_url(settings.url_of("consumers"))
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()
