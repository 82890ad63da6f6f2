"""Past orders cost nothing: no command that asks for one order, or for the newest, reads a table that grows with them.

SQLite's query plans show it, whatever the number of rows; a time would show only the machine.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from client.contracts import Stage
from client.order_query import OrderQuery
from kernel.contracts import Style
from lab.settings import LabSettings
from services import SERVICES
from services.orders.contracts import OrderStatus
from tests.choreographed import open_shop
from tests.releases.record import RELEASES
from tests.shop import sample_order
from wiring.attention import attention
from wiring.auditing import audit
from wiring.bus import open_bus
from wiring.bus_attention import lags
from wiring.clients import Clients
from wiring.finding import find_page
from wiring.listening import all_subscriptions
from wiring.services import Services

# Each order, or each of its events, has rows in these. `failures` has what operators discarded, too, and stays small.
GROWING = frozenset(
    [
        "operations",
        "outbox",
        "inbox",
        "orders",
        "order_lines",
        "screenings",
        "reservations",
        "payments",
        "shipments",
        "ledger",
        "parcels",
        "events",
        "facts",
        "audit_entries",
        "customers",
        "waiting",
    ]
)
PARTIAL = ("ix_outbox_waiting", "ix_orders_flagged")  # indexes of the few rows that wait for something
EXCEPT = ("sum(reservations.quantity)",)  # the stock as a whole: one sum over two small columns

QUERIES = [
    *(OrderQuery(status=status) for status in (None, *OrderStatus)),
    *(OrderQuery(stage=stage) for stage in Stage if stage is not Stage.ENDED),
    *(OrderQuery(style=style) for style in Style),
    OrderQuery(step="payments.refund"),
]

Statements = dict[tuple[str, str], Any]


@pytest.fixture
async def settings(server: LabSettings, tmp_path: Path) -> LabSettings:
    """A shop of the first release, migrated: with orders of both styles, and rows in every table."""
    for script in (RELEASES / "0.1" / "databases").glob("*.sql"):
        with closing(sqlite3.connect(tmp_path / f"{script.stem}.db")) as database:
            database.executescript(script.read_text())
    settings = server.model_copy(update={"data_dir": tmp_path})
    with closing(Services(settings)) as shop:
        for service in SERVICES:
            shop.open(service)
    async with open_bus(settings) as events:
        all_subscriptions(events)
    return settings


@contextmanager
def recorded() -> Iterator[Statements]:
    """The statements of all databases in this process, each with its values."""
    statements: Statements = {}

    def add(connection: Any, _cursor: object, statement: str, values: Any, _context: object, is_many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            key = connection.engine.url.database, statement
            statements.setdefault(key, values[0] if is_many else values)

    event.listen(Engine, "before_cursor_execute", add)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", add)


def scans(statements: Statements) -> list[str]:
    """The statements that read a growing table from end to end, with their plans."""
    found = []
    for (file, statement), values in statements.items():
        with closing(sqlite3.connect(file)) as database:
            plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        if any(_is_scan(line, statement, plan) for line in plan) and not any(one in statement for one in EXCEPT):
            found.append(f"{Path(file).name}: {statement}: {plan}")
    return found


def _is_scan(line: str, statement: str, plan: list[str]) -> bool:
    words = line.split()
    if words[0] != "SCAN" or words[1] not in GROWING or any(index in words for index in PARTIAL):
        return False
    is_sorted = not any("TEMP B-TREE" in one for one in plan)
    return not (is_sorted and "ORDER BY" in statement and "LIMIT" in statement)  # else it stops after a few rows


async def test_lists_states_and_attention_read_no_past_orders(settings: LabSettings) -> None:
    clients = Clients(settings)
    with recorded() as statements:
        for query in QUERIES:
            await find_page(clients, query, limit=5)
        for order_id in ("chor-completed", "orch-completed", "chor-stuck"):
            await (await clients.client_of(order_id)).get(order_id)
        await attention(settings, clients)
        async with open_bus(settings, for_reading=True) as events:
            await lags(events)
            await events.bus.of("chor-completed")
    await clients.close()
    assert {Path(file).name for file, _ in statements} >= {"orders.db", "bus.db", "consumers.db", "fraud.db"}
    assert scans(statements) == []


async def test_an_audit_of_what_is_new_reads_no_past_orders(settings: LabSettings) -> None:
    with recorded() as statements:
        report = await asyncio.to_thread(audit, settings, 1)
    assert report.orders > 0
    assert {Path(file).name for file, _ in statements} >= {"gateway.db", "courier.db", "audit_log.db", "bus.db"}
    assert scans(statements) == []


async def test_a_new_order_reads_no_past_orders(settings: LabSettings) -> None:
    """A choreographed one: an orchestrated one calls the same services."""
    with recorded() as statements:
        async with open_shop(settings) as shop:
            await shop.run(sample_order())
    assert scans(statements) == []


async def test_an_audit_of_what_is_new_reads_only_the_newest_entries_of_the_audit_log(settings: LabSettings) -> None:
    with recorded() as statements:
        report = await asyncio.to_thread(audit, settings, int(time.time() * 1000))
    assert not any("audit log" in one.invariant for one in report.violations)
    [first] = {values[0] for (_, statement), values in statements.items() if "audit_entries.number > ?" in statement}
    assert first > 0
