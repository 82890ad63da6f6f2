"""What the audit finds once any one book is tampered with, and what a person reads of it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from settings import DATABASES
from tests.cli.terminal import OpenShop
from tests.processes import Ran, run_here
from tests.shop import sample_order, undeliverable

CONSUMERS = ("events", "consumers", "--json")


@pytest.fixture(scope="module")
async def books_of_three(open_shop: OpenShop) -> Path:
    """The data of a shop with one order completed, one rejected after its charge, and one declined."""
    await open_shop.has_had(
        sample_order(order_id="good"),
        sample_order(order_id="refunded", **undeliverable()),
        sample_order(order_id="declined", payment_token="tok_chargeDeclined"),
    )
    async with asyncio.timeout(60):
        while any(one["behind"] for one in (await open_shop.run(*CONSUMERS)).document):
            await asyncio.sleep(0.1)
    return open_shop.settings.data_dir


def _add_parcel(key: str) -> str:
    return f"INSERT INTO parcels VALUES ('{key}', 'booked', 'TRK1', '', '', 0)"


def _add_charge(key: str) -> str:
    return f"INSERT INTO ledger VALUES ('{key}', 'charged', 'ch_1', 1200, 0, 'EUR', 'tok_visa', '')"


STOCK = ("", "stock adds up")
GOOD_CHARGE, GOOD_PARCEL = "WHERE key = 'good:charge'", "WHERE key = 'good:ship'"


@pytest.mark.parametrize(
    ("database", "tampering", "found"),
    [
        (
            "gateway",
            f"DELETE FROM ledger {GOOD_CHARGE}",
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            f"UPDATE ledger SET amount = 1100 {GOOD_CHARGE}",
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            f"UPDATE ledger SET refunded = 1 {GOOD_CHARGE}",
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            f"UPDATE ledger SET currency = 'USD' {GOOD_CHARGE}",
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            _add_charge("good:again"),
            [("good", "completed: charged once in full"), ("good", "payments agree with the processor")],
        ),
        (
            "gateway",
            "UPDATE ledger SET refunded = 0 WHERE key = 'refunded:charge'",
            [("refunded", "rejected: no money kept"), ("refunded", "payments agree with the processor")],
        ),
        (
            "gateway",
            _add_charge("declined:again"),
            [("declined", "rejected: no money kept"), ("declined", "payments agree with the processor")],
        ),
        (
            "gateway",
            _add_charge("nobody:charge"),
            [("nobody", "without an order: no money kept"), ("nobody", "payments agree with the processor")],
        ),
        (
            "payments",
            "DELETE FROM payments WHERE order_id = 'good'",
            [("good", "payments agree with the processor"), ("good", "records agree with operations")],
        ),
        ("courier", _add_parcel("good:again"), [("good", "completed: shipped once")]),
        (
            "courier",
            f"UPDATE parcels SET status = 'cancelled' {GOOD_PARCEL}",
            [("good", "completed: shipped once"), ("good", "shipments agree with the courier")],
        ),
        (
            "courier",
            _add_parcel("declined:ship"),
            [("declined", "rejected: nothing shipped"), ("declined", "shipments agree with the courier")],
        ),
        (
            "shipping",
            "UPDATE shipments SET status = 'cancelled' WHERE order_id = 'good'",
            [("good", "shipments agree with the courier"), ("good", "records agree with operations")],
        ),
        ("inventory", "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'mug'", [STOCK]),
        ("inventory", "UPDATE stock SET received = received + 1 WHERE sku = 'mug'", [STOCK]),
        (
            "inventory",
            "INSERT INTO reservations VALUES ('declined', 'mug', 1);"
            "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'mug'",
            [("declined", "rejected: no stock held"), ("declined", "records agree with operations")],
        ),
        (
            "inventory",
            "DELETE FROM reservations WHERE order_id = 'good'",
            [("good", "completed: stock taken once"), ("good", "records agree with operations"), STOCK, STOCK],
        ),
        (
            "fraud",
            "DELETE FROM screenings WHERE order_id = 'good'",
            [("good", "shipped only when cleared of fraud"), ("good", "records agree with operations")],
        ),
        (
            "orders",
            "DELETE FROM order_lines WHERE order_id = 'good'; DELETE FROM orders WHERE order_id = 'good'",
            [
                ("good", "without an order: no money kept"),
                ("good", "without an order: no stock held"),
                ("good", "without an order: nothing shipped"),
                ("good", "records agree with operations"),
            ],
        ),
    ],
)
def test_the_audit_finds_what_was_tampered_with(
    open_shop: OpenShop,
    books_of_three: Path,
    tmp_path: Path,
    database: str,
    tampering: str,
    found: list[tuple[str, str]],
) -> None:
    audited = _audit_after(open_shop, books_of_three, tmp_path, database, tampering)
    named = [(v["order_id"], v["invariant"]) for v in audited.document["violations"]]
    assert audited.code == 1
    assert [each for each in found if named.count(each) < found.count(each)] == []


async def test_the_audit_of_a_shop_that_is_right_and_of_one_that_is_not(
    open_shop: OpenShop, books_of_three: Path, tmp_path: Path
) -> None:
    """As a person reads it, in processes of its own."""
    right, wrong = _copy(books_of_three, tmp_path / "right"), _copy(books_of_three, tmp_path / "wrong")
    _tamper(wrong, "courier", _add_parcel("good:again"))
    _tamper(wrong, "inventory", "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'mug'")
    clean, found = await asyncio.gather(
        open_shop.run("audit", DATA_DIR=str(right)), open_shop.run("audit", DATA_DIR=str(wrong))
    )
    assert (clean.code, clean.err) == (0, "")
    assert "orders: money, stock and parcels add up" in clean.out
    assert (found.code, found.err) == (1, "")
    assert "✗ good: completed: shipped once: 2 parcels\n" in found.out
    assert "✗ as a whole: stock adds up: mug: " in found.out
    assert "2 violations over" in found.out


def _audit_after(open_shop: OpenShop, data: Path, copy: Path, database: str, tampering: str) -> Ran:
    _tamper(_copy(data, copy), database, tampering)
    return run_here(open_shop.environment | {"DATA_DIR": str(copy)}, "audit", "--json")


def _copy(data: Path, copy: Path) -> Path:
    """All databases, each as it stands, while the worker has them open."""
    copy.mkdir(exist_ok=True)
    for database in sorted(path.name for path in data.glob("*.db") if path.stem in (*DATABASES, "audit_log")):
        with closing(sqlite3.connect(data / database)) as here, closing(sqlite3.connect(copy / database)) as there:
            here.backup(there)
    return copy


def _tamper(data: Path, database: str, tampering: str) -> None:
    with closing(sqlite3.connect(data / f"{database}.db")) as connection:
        connection.executescript(tampering)
