"""One thing on record is changed by hand, and the audit says so: databases, bus, outboxes, inboxes and consumers.

The shop is made once, by events, with an order of each kind; each case changes a copy of its folder.
"""

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from audit.invariants import Report, audit
from client.order import OrderLine
from kernel.contracts import Policy
from kernel.errors import SettingsError, UserError
from lab.settings import LabSettings
from messaging.bus import BusDown
from services import SERVICES
from services.orders.contracts import OrderStatus
from tests.choreographed import ChoreographedShop, open_shop
from tests.shop import sample_order, undeliverable
from wiring.audit_of_events import audit_of_events
from wiring.choreographed_orders import ChoreographedOrders
from wiring.order_records import RecordsOfOrders
from wiring.services import Services

HOUR = 3600.0
PATIENT = Policy(attempt_timeout=5, step_deadline=HOUR, undo_deadline=HOUR, review_deadline=HOUR)

PUBLISHED, FOUNDED, AS_WRITTEN = (
    "every operation is published",
    "every event has its operation",
    "events are as they were written",
)
OPERATIONS, EVENTS = "records agree with operations", "records agree with events"
PASSED, SETTLED = "consumers handle what they pass", "dead letters are settled"


@pytest.fixture(scope="module")
async def sold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ok` is completed, `bad` is rejected after its charge, `held` waits for a reviewer."""
    folder = tmp_path_factory.mktemp("audited")
    settings = LabSettings(data_dir=folder / "data", policy=PATIENT)
    async with open_shop(settings) as shop:
        await shop.run(sample_order(order_id="bad", **undeliverable()))
        await shop.run(sample_order(order_id="ok"))
        await shop.run(sample_order(order_id="held", lines=(OrderLine(sku="espresso-machine", quantity=1),)))
        await _is_read(shop)
    return folder / "data"


async def _is_read(shop: ChoreographedShop) -> None:
    async with asyncio.timeout(30):
        head = await shop.eventing.bus.head()
        names = ("audit-log", "analytics", "orders", "fraud", "inventory", "payments", "shipping")
        while any(max(shop.eventing.progress.positions(name).values()) < head for name in names):
            await asyncio.sleep(0.05)


@pytest.fixture
def settings(sold: Path, tmp_path: Path) -> LabSettings:
    return LabSettings(data_dir=shutil.copytree(sold, tmp_path / "data"), policy=PATIENT)


def full_audit(settings: LabSettings, since: int = 0) -> Report:
    report = audit(settings, since)
    report.violations += audit_of_events(settings, report.not_judged, since)
    return report


def tamper(settings: LabSettings, changes: str) -> None:
    """`changes` are lines of SQL, each after the name of its database."""
    for line in changes.strip().splitlines():
        database, _, statement = line.strip().partition(": ")
        with closing(sqlite3.connect(settings.data_dir / f"{database}.db")) as connection:
            assert connection.execute(statement).rowcount != 0, statement
            connection.commit()


def test_a_shop_that_nobody_touched_adds_up(settings: LabSettings) -> None:
    report = full_audit(settings)
    assert report.violations == []
    assert report.not_judged == []
    assert report.by_status == {OrderStatus.COMPLETED: 1, OrderStatus.IN_PROGRESS: 1, OrderStatus.REJECTED: 1}


BOOKS = [
    ("gateway: UPDATE ledger SET refunded = 0, state = 'charged' WHERE key = 'bad:charge'", "rejected: no money kept"),
    ("gateway: UPDATE ledger SET amount = amount + 1 WHERE key = 'ok:charge'", "completed: charged once in full"),
    ("gateway: UPDATE ledger SET currency = 'USD' WHERE key = 'ok:charge'", "completed: charged once in full"),
    ("gateway: UPDATE ledger SET refunded = 1 WHERE key = 'ok:charge'", "completed: charged once in full"),
    ("gateway: UPDATE ledger SET charge_id = 'ch_x' WHERE key = 'ok:charge'", "payments agree with the processor"),
    ("gateway: UPDATE ledger SET key = 'zz:charge' WHERE key = 'ok:charge'", "completed: charged once in full"),
    ("gateway: DELETE FROM ledger WHERE key = 'ok:charge'", "completed: charged once in full"),
    (
        "gateway: INSERT INTO ledger SELECT 'ok:charge2', state, 'ch_2', amount, refunded, currency, payment_token, "
        "message FROM ledger WHERE key = 'ok:charge'",
        "completed: charged once in full",
    ),
    ("payments: DELETE FROM payments WHERE order_id = 'ok'", OPERATIONS),
    ("payments: DELETE FROM payments WHERE order_id = 'bad'", OPERATIONS),
    ("payments: UPDATE payments SET amount = 1 WHERE order_id = 'ok'", EVENTS),
    ("payments: UPDATE payments SET currency = 'USD' WHERE order_id = 'bad'", EVENTS),
    ("payments: UPDATE payments SET charge_id = 'ch_x' WHERE order_id = 'bad'", EVENTS),
    ("payments: UPDATE payments SET refunded = 1 WHERE order_id = 'bad'", EVENTS),
    ("payments: UPDATE payments SET refunded = amount WHERE order_id = 'ok'", OPERATIONS),
    (
        """orders: UPDATE orders SET total = 1 WHERE order_id = 'ok'
        orders: UPDATE order_lines SET unit_price = 0 WHERE order_id = 'ok' AND sku = 'mug'
        orders: UPDATE order_lines SET unit_price = 1 WHERE order_id = 'ok' AND sku <> 'mug'
        payments: UPDATE payments SET amount = 1 WHERE order_id = 'ok'
        gateway: UPDATE ledger SET amount = 1 WHERE key = 'ok:charge'""",
        EVENTS,
    ),
    ("orders: UPDATE orders SET total = 1 WHERE order_id = 'held'", "an order costs what its lines do"),
    ("orders: UPDATE orders SET currency = 'USD' WHERE order_id = 'bad'", EVENTS),
    ("orders: UPDATE orders SET customer_id = 'x' WHERE order_id = 'ok'", EVENTS),
    ("orders: UPDATE orders SET ship_to = replace(ship_to, 'Berlin', 'Bonn') WHERE order_id = 'held'", EVENTS),
    ("orders: UPDATE orders SET reason = 'x' WHERE order_id = 'bad'", EVENTS),
    ("orders: UPDATE orders SET problem = 'x' WHERE order_id = 'ok'", EVENTS),
    ("orders: UPDATE orders SET settled = 'x' WHERE order_id = 'bad'", EVENTS),
    ("orders: UPDATE order_lines SET unit_price = 1 WHERE order_id = 'ok'", "an order costs what its lines do"),
    ("orders: UPDATE order_lines SET quantity = quantity + 1 WHERE order_id = 'bad'", EVENTS),
    ("orders: UPDATE order_lines SET sku = 'x' WHERE order_id = 'held'", EVENTS),
    ("orders: DELETE FROM order_lines WHERE order_id = 'bad'", EVENTS),
    ("orders: UPDATE order_lines SET order_id = 'ok' WHERE order_id = 'held'", EVENTS),
    *(
        (f"orders: UPDATE orders SET status = '{status}' WHERE order_id = '{order_id}'", invariant)
        for order_id, was in (("ok", "completed"), ("bad", "rejected"), ("held", "in-progress"))
        for status in ("in-progress", "completed", "rejected", "cancelled")
        if status != was
        for invariant in [EVENTS if {status, was} == {"rejected", "cancelled"} else OPERATIONS]
    ),
    *(
        (
            f"""orders: DELETE FROM order_lines WHERE order_id = '{order_id}'
            orders: DELETE FROM orders WHERE order_id = '{order_id}'""",
            OPERATIONS,
        )
        for order_id in ("ok", "bad", "held")
    ),
    ("inventory: UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'mug'", "stock adds up"),
    ("inventory: UPDATE stock SET received = received + 1 WHERE sku = 'grinder'", "stock adds up"),
    ("inventory: DELETE FROM stock WHERE sku = 'mug'", "stock adds up"),
    ("inventory: UPDATE reservations SET order_id = 'bad' WHERE order_id = 'ok'", "rejected: no stock held"),
    ("inventory: UPDATE reservations SET order_id = 'held' WHERE order_id = 'ok'", "completed: stock taken once"),
    ("inventory: UPDATE reservations SET quantity = 1 WHERE order_id = 'ok'", "completed: stock taken once"),
    ("inventory: UPDATE reservations SET sku = 'x' WHERE order_id = 'ok' AND sku = 'mug'", "stock adds up"),
    ("inventory: DELETE FROM reservations WHERE order_id = 'ok'", OPERATIONS),
    ("fraud: DELETE FROM screenings WHERE order_id = 'ok'", OPERATIONS),
    ("fraud: DELETE FROM screenings WHERE order_id = 'bad'", OPERATIONS),
    ("fraud: UPDATE screenings SET verdict = 'clear' WHERE order_id = 'held'", EVENTS),
    ("fraud: UPDATE screenings SET verdict = 'possible' WHERE order_id = 'ok'", EVENTS),
    ("fraud: UPDATE screenings SET decision = 'approve' WHERE order_id = 'held'", OPERATIONS),
    ("fraud: UPDATE screenings SET score = score + 1 WHERE order_id = 'ok'", EVENTS),
    ("shipping: DELETE FROM shipments WHERE order_id = 'ok'", OPERATIONS),
    ("shipping: UPDATE shipments SET status = 'cancelled' WHERE order_id = 'ok'", OPERATIONS),
    ("shipping: UPDATE shipments SET tracking_number = 'x' WHERE order_id = 'ok'", EVENTS),
    ("courier: UPDATE parcels SET status = 'cancelled' WHERE key = 'ok:ship'", "completed: shipped once"),
    (
        "courier: UPDATE parcels SET destination = replace(destination, 'Berlin', 'Bonn') WHERE key = 'ok:ship'",
        "completed: shipped to the order's address",
    ),
    ("courier: UPDATE parcels SET key = 'bad:ship2' WHERE key = 'ok:ship'", "rejected: nothing shipped"),
    ("courier: DELETE FROM parcels WHERE key = 'ok:ship'", "completed: shipped once"),
    *(
        (f"{service}: DELETE FROM operations WHERE key = '{key}'", OPERATIONS)
        for service, key in (
            ("orders", "ok:create"),
            ("orders", "ok:complete"),
            ("fraud", "bad:screen"),
            ("inventory", "ok:reserve"),
            ("payments", "bad:charge"),
            ("shipping", "ok:ship"),
        )
    ),
    ("payments: UPDATE operations SET state = 'done' WHERE key = 'bad:charge'", OPERATIONS),
    ("payments: UPDATE operations SET state = 'refused' WHERE key = 'ok:charge'", OPERATIONS),
    ("orders: UPDATE operations SET key = 'zz:complete' WHERE key = 'ok:complete'", OPERATIONS),
]


@pytest.mark.parametrize(("changes", "invariant"), BOOKS)
def test_books_that_were_changed_are_seen(settings: LabSettings, changes: str, invariant: str) -> None:
    tamper(settings, changes)
    assert invariant in {violation.invariant for violation in audit(settings).violations}


FORGED = (
    "INSERT INTO events (event_id, partition, correlation, type, recorded_at, event) "
    "SELECT {id}, partition, correlation, {type}, recorded_at, {event} FROM events "
    "WHERE event_id = 'ok:charge:PaymentProcessed'"
)
BUS = [
    ("bus: DELETE FROM events", PUBLISHED),
    ("bus: DELETE FROM events WHERE position > (SELECT max(position) / 2 FROM events)", PUBLISHED),
    ("bus: DELETE FROM events WHERE position < 5", PUBLISHED),
    ("bus: UPDATE log_identity SET id = 'another'", PASSED),
    *(
        (f"bus: DELETE FROM events WHERE type = '{kind}'", PUBLISHED)
        for kind in ("OrderCreated", "PaymentProcessed", "PaymentRefunded", "ShippingFailed", "OrderCompleted")
    ),
    ("bus: DELETE FROM events WHERE type = 'OrderPlaced'", "what was received is on the bus"),
    (
        "bus: UPDATE events SET event = replace(event, ',\"currency\"', '9,\"currency\"') "
        "WHERE type = 'PaymentProcessed'",
        AS_WRITTEN,
    ),
    ("bus: UPDATE events SET event = replace(event, 'mug', 'x') WHERE type = 'StockReserved'", AS_WRITTEN),
    ("bus: UPDATE events SET event = replace(event, 'Berlin', 'Bonn') WHERE type = 'OrderCreated'", AS_WRITTEN),
    ("bus: UPDATE events SET event = replace(event, 'Berlin', 'Bonn') WHERE type = 'OrderPlaced'", AS_WRITTEN),
    (
        """bus: UPDATE events SET event = replace(event, 'Berlin', 'Bonn') WHERE type = 'OrderCreated'
        orders: UPDATE outbox SET data = replace(data, 'Berlin', 'Bonn') WHERE type = 'OrderCreated'""",
        AS_WRITTEN,
    ),
    ("bus: UPDATE events SET event = replace(event, 'choreography', 'x') WHERE type = 'Shipped'", AS_WRITTEN),
    ("bus: UPDATE events SET event = 'not json' WHERE type = 'Shipped'", "what is on the bus can be read"),
    ("bus: UPDATE events SET type = 'X' WHERE type = 'Shipped'", "what is on the bus can be read"),
    ("bus: UPDATE events SET partition = 99 - partition WHERE type = 'Shipped'", "what is on the bus can be read"),
    ("bus: UPDATE events SET correlation = 'x' WHERE type = 'Shipped'", "what is on the bus can be read"),
    ("bus: " + FORGED.format(id="'zz:charge:P'", type="type", event="replace(event, 'ok:', 'zz:')"), FOUNDED),
    (
        "bus: "
        + FORGED.format(
            id="'ok:charge:R'", type="'PaymentRefunded'", event="replace(event, 'PaymentProcessed', 'PaymentRefunded')"
        ),
        FOUNDED,
    ),
    (
        "bus: " + FORGED.format(id="'twice'", type="type", event="replace(event, ',\"currency\"', '9,\"currency\"')"),
        AS_WRITTEN,
    ),
    (
        "bus: " + FORGED.format(id="'twice'", type="type", event="replace(event, '/payments', '/nobody')"),
        FOUNDED,
    ),
    (
        "bus: "
        + FORGED.format(
            id="'ok:charge:Q'", type="type", event="replace(event, '\"choreography\"', '\"orchestration\"')"
        ),
        "an order has one style",
    ),
    (
        "payments: INSERT INTO outbox (event_id, type, correlation, causation, style, data, occurred_at) "
        f"VALUES ('ok:charge2:PaymentProcessed', 'PaymentProcessed', 'ok', 'x', 'choreography', '{{}}', {2**42})",
        FOUNDED,
    ),
    (
        "payments: INSERT INTO inbox (event_id, correlation, type, data, occurred_at, repeats, envelope) "
        "SELECT 'ok:forged', correlation, type, data, occurred_at, 0, replace(envelope, event_id, 'ok:forged') "
        "FROM inbox WHERE type = 'OrderCreated' AND correlation = 'ok'",
        "what was received is on the bus",
    ),
    ("consumers: UPDATE positions SET position = position + 3, last_read = last_read + 3", PASSED),
    ("audit_log: DELETE FROM inbox WHERE event_id = 'ok:charge:PaymentProcessed'", PASSED),
    ("payments: DELETE FROM outbox WHERE type = 'PaymentRefunded'", FOUNDED),
    (
        "payments: UPDATE outbox SET data = replace(data, ',\"currency\"', '9,\"currency\"') "
        "WHERE type = 'PaymentProcessed'",
        AS_WRITTEN,
    ),
    ("payments: UPDATE outbox SET data = 'x' WHERE type = 'PaymentProcessed'", AS_WRITTEN),
    ("payments: UPDATE outbox SET causation = 'x' WHERE type = 'PaymentProcessed'", AS_WRITTEN),
    ("payments: UPDATE outbox SET occurred_at = 1 WHERE type = 'PaymentProcessed'", AS_WRITTEN),
    ("payments: UPDATE outbox SET published_at = NULL, occurred_at = 0 WHERE type = 'PaymentProcessed'", PUBLISHED),
    (
        """bus: DELETE FROM events WHERE type = 'PaymentRefunded'
        payments: DELETE FROM outbox WHERE type = 'PaymentRefunded'""",
        PUBLISHED,
    ),
    (
        """bus: DELETE FROM events WHERE type = 'PaymentRefunded'
        payments: UPDATE outbox SET published_at = 0 WHERE type = 'PaymentRefunded'""",
        PUBLISHED,
    ),
    (
        "orders: INSERT INTO outbox (event_id, type, correlation, causation, style, data, occurred_at) "
        "VALUES ('ok:create:Z', 'Z', 'ok', 'x', 'choreography', '{}', 0)",
        PUBLISHED,
    ),
    (
        "payments: INSERT INTO operations (key, state, request, answer, refusal, recorded_at) "
        "VALUES ('zz:charge', 'done', 'x', '{}', '', 0)",
        PUBLISHED,
    ),
    ("consumers: UPDATE positions SET position = 1000000 WHERE consumer = 'audit-log'", PASSED),
    ("consumers: UPDATE positions SET log = 'another' WHERE consumer = 'analytics'", PASSED),
    ("consumers: UPDATE positions SET last_event = 'x' WHERE last_event <> ''", PASSED),
    ("consumers: UPDATE positions SET last_read = 1, last_event = 'bad:placed'", PASSED),
    ("payments: DELETE FROM inbox WHERE type = 'OrderCreated'", PASSED),
    (
        "payments: UPDATE inbox SET data = replace(data, 'Berlin', 'Bonn') WHERE type = 'OrderCreated'",
        AS_WRITTEN,
    ),
    *(
        (
            "consumers: INSERT INTO failures (consumer, event_id, position, partition, correlation, event, state, "
            f"attempts, error, first_failed_at) VALUES ('x', 'y', 1, 1, 'ok', '{{}}', '{state}', 1, 'e', 0)",
            SETTLED,
        )
        for state in ("dead", "unreadable")
    ),
    (
        """audit_log: DROP TRIGGER audit_entries_no_UPDATE
        audit_log: UPDATE audit_entries SET body = body || ' ' WHERE number = 3""",
        "the audit log is a chain",
    ),
]


@pytest.mark.parametrize(("changes", "invariant"), BUS)
def test_events_that_were_changed_are_seen(settings: LabSettings, changes: str, invariant: str) -> None:
    tamper(settings, changes)
    report = full_audit(settings)
    assert invariant in {violation.invariant for violation in report.violations}, report


def test_only_what_was_touched_since_then_is_judged(settings: LabSettings) -> None:
    """What is not over is judged however old it is."""
    tamper(
        settings,
        """payments: UPDATE payments SET amount = 1 WHERE order_id = 'ok'
        payments: UPDATE outbox SET data = replace(data, ',"currency"', '9,"currency"') WHERE type = 'PaymentProcessed'
        orders: UPDATE orders SET customer_id = 'x' WHERE order_id = 'held'""",
    )
    now = int(time.time() * 1000)
    recent, last_hour = full_audit(settings, since=now), full_audit(settings, since=now - 3_600_000)
    assert {(one.order_id, one.invariant) for one in recent.violations} == {("held", EVENTS)}
    assert recent.orders == 1
    expected = {("held", EVENTS), ("ok", EVENTS), ("ok", AS_WRITTEN), ("bad", AS_WRITTEN)}
    assert {(one.order_id, one.invariant) for one in last_hour.violations} >= expected
    assert last_hour.orders == 3


@pytest.mark.parametrize("database", ["bus", "consumers", "payments", "courier"])
def test_what_cannot_be_read_is_said_and_nothing_claimed(settings: LabSettings, database: str) -> None:
    file = settings.data_dir / f"{database}.db"
    for part in settings.data_dir.glob(f"{database}.db*"):
        part.unlink()
    with pytest.raises(SettingsError, match=r"cannot be (read|used)"):
        full_audit(settings)
    assert not file.exists()
    file.write_bytes(b"no database" * 1000)
    with pytest.raises((SettingsError, BusDown), match="file is not a database"):
        full_audit(settings)


def test_without_a_bus_events_are_not_judged(tmp_path: Path) -> None:
    settings = LabSettings(data_dir=tmp_path)
    with closing(Services(settings)) as shop:
        for service in SERVICES:
            shop.open(service)
    report = full_audit(settings)
    assert report.violations == []
    assert [one.why.partition(":")[0] for one in report.not_judged] == ["events"]


async def test_orders_that_cannot_be_listed_are_no_empty_list(settings: LabSettings) -> None:
    orders = ChoreographedOrders(settings, RecordsOfOrders(settings.url_of))
    for part in settings.data_dir.glob("orders.db*"):
        part.unlink()
    with pytest.raises(SettingsError, match="its database was lost"):
        await orders.recent(None, 10)
    (settings.data_dir / "orders.db").write_bytes(b"no database" * 1000)
    with pytest.raises(SettingsError, match="the database of orders cannot be read: file is not a database"):
        await orders.recent(None, 10)


async def test_the_audit_has_nothing_against_orders_that_run(tmp_path: Path) -> None:
    """Again and again, while orders of all kinds are placed, undone and cancelled."""
    settings = LabSettings(data_dir=tmp_path, policy=PATIENT)
    orders = [sample_order(**(undeliverable() if number % 3 == 0 else {})) for number in range(15)]

    async def place_all(shop: ChoreographedShop) -> None:
        for number, order in enumerate(orders):
            await shop.client.place(order)
            if number % 5 == 1:
                with suppress(UserError):
                    await shop.client.cancel(order.order_id, "not wanted")
        for order in orders:
            await shop.rest(order)

    found = []
    async with open_shop(settings) as shop:
        await shop.run(sample_order())
        running = asyncio.create_task(place_all(shop))
        rounds = 0
        while not running.done():
            found += (await asyncio.to_thread(full_audit, settings)).violations
            rounds += 1
        await running
    assert rounds > 1
    assert found == []
    assert (await asyncio.to_thread(full_audit, settings)).violations == []
