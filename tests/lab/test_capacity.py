"""`python -m lab capacity`: what it measures, and what it makes of it."""

import os
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import lab.__main__ as lab
from kernel.database import Database
from lab.bench.measure import Cost
from lab.capacity.held import LOG, Held, Total
from lab.capacity.measure import Measured
from lab.capacity.model import UnitCosts, needs
from lab.capacity.report import BEGIN, END, Conditions, Report, put_into
from lab.capacity.resources import relay_of, resources, slowed_database
from lab.capacity.setup import ROLES, Storage
from lab.compare.records import SUBSCRIBERS
from services import SERVICES
from tests.processes import ROOT, run_here

NAMES = [service.name for service in SERVICES]
ORDERS = 100
CONDITIONS = Conditions("2026-12-01", "python -m lab capacity", 2, 0.1, "3.13", "the dev server")
COSTS = UnitCosts(
    cpu={"saga": 0.014, "payments": 0.007},
    servers={"Temporal": 0.07},
    relays={"orders": 0.014, "payments": 0.0035},
    subscribers={"analytics": 0.007},
    events=6,
    size=2_000,
    history=30,
    shard_rate=20,
)


def _measured(elapsed: float = 10, published: float = 20) -> Measured:
    """100 orders, of which each holds each database for 10 ms; the log for 20 ms, and payments for 50 ms."""
    hosts = {name: {name: Total(ORDERS, ORDERS, 5.0 if name == "payments" else 1.0)} for name in NAMES}
    relay = {name: Total(ORDERS, ORDERS, 0.5) for name in NAMES} | {LOG: Total(ORDERS, ORDERS, 2.0)}
    subscribers = {name.replace("-", "_"): Total(ORDERS, ORDERS, 1.0) for name in SUBSCRIBERS}
    return Measured(
        orders=ORDERS,
        at_once=10,
        elapsed=elapsed,
        published=published,
        consumed=25,
        p50=1.5,
        cpu=dict.fromkeys(ROLES, 1.0) | {"Temporal": 5.0, "client": 0.5},
        totals={"saga": {}, **hosts, "relay": relay, "subscribers": subscribers},
        events=dict.fromkeys(NAMES, ORDERS),
        sizes=dict.fromkeys(NAMES, 50_000),
        workflow=Cost(30, 17, 9_000, 0, 0),
        backlog={},
    )


def test_a_rate_needs_the_parts_that_its_busiest_resource_is_divided_into() -> None:
    small, large = needs(10, COSTS), needs(1_000, COSTS)
    assert (small.databases, small.partitions, small.shards, small.processes["saga"]) == (1, 4, 1, 1)
    assert (large.databases, large.partitions, large.shards) == (20, 10, 50)
    assert large.processes == {"saga": 20, "payments": 10}
    assert large.servers["Temporal"] == pytest.approx(100)
    assert large.cores == pytest.approx(130)
    assert large.events == 6_000
    assert large.megabytes == pytest.approx(2)


def test_a_ceiling_is_one_over_the_time_held() -> None:
    found = resources(Storage.EMBEDDED, _measured())
    assert found[0].name == "writer of payments"
    assert found[0].ceiling == pytest.approx(ORDERS / 5.5)  # with the relay, which writes there too
    assert [one.ceiling for one in found] == sorted(one.ceiling for one in found)


def test_the_relay_and_the_subscribers_are_judged_by_full_batches() -> None:
    run = _measured()
    full = {name: Total(1, 1, 0.1) for name in (*NAMES, LOG)}
    backlogged = replace(run, backlog={"relay": full, "subscribers": run.totals["subscribers"]})
    assert relay_of("orders", run).held == pytest.approx((0.5 + 2.0 / 5) / ORDERS)
    assert relay_of("orders", backlogged).held == pytest.approx((0.1 + 0.1 / 5) / ORDERS)


def test_a_slow_resource_is_predicted_from_the_run_without_it() -> None:
    base = _measured()
    slowed = slowed_database(base, replace(base, elapsed=40), "payments", 0.345)
    assert slowed.measured == 2.5
    assert slowed.predicted == pytest.approx(2.5)
    assert slowed.error == pytest.approx(0)
    log = slowed_database(base, replace(base, published=50), LOG, 0.036)  # five events an order
    assert log.measured == 2
    assert log.predicted == pytest.approx(5)
    assert log.error == pytest.approx(1.5)


def test_the_report_replaces_what_is_between_the_markers() -> None:
    base = _measured()
    report = Report(CONDITIONS, dict.fromkeys(Storage, base), [slowed_database(base, base, "payments", 0.2)])
    page = put_into(f"before\n{BEGIN}\nold\n{END}\nafter\n", report.text())
    assert page.startswith(f"before\n{BEGIN}\nMeasured 2026-12-01")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page


def test_the_page_has_a_report_of_the_present_form_and_no_path_of_a_machine() -> None:
    page = (ROOT / "docs" / "capacity.md").read_text()
    base = _measured()
    report = Report(CONDITIONS, dict.fromkeys(Storage, base), [slowed_database(base, base, "payments", 0.2)]).text()
    tables = re.findall(r"^\| ([^|]+) \|.*\n\| ---", report, re.MULTILINE)
    assert len(tables) == 7
    assert [first for first in tables if f"\n| {first} |" not in page] == []
    assert not re.search(r"/tmp|/home|/root|/work", page)


def test_a_transaction_is_held_from_its_lock_to_its_end(tmp_path: Path) -> None:
    held = Held({"payments": 0.05})
    with held.measuring(), closing(Database(f"sqlite:///{tmp_path}/payments.db")) as database:
        with database.begin() as tx:
            tx.exec_driver_sql("CREATE TABLE some (number INTEGER)")
        with database.begin() as tx:
            tx.exec_driver_sql("INSERT INTO some VALUES (1)")
    total = held.totals()["payments"]
    assert (total.times, total.writing) == (2, 1)
    assert total.seconds >= 0.05


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--slow", "money=1"), "--slow money=1: give one of orders, "),
        (("--slow", "payments=no"), "--slow payments=no: give one of orders, "),
        (("--page", "none.md"), "--page none.md: No such file or directory"),
        (("--page", "empty.md"), f"--page empty.md: it has no {BEGIN}"),
    ],
)
def test_wrong_input_is_refused_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, str], complaint: str
) -> None:
    (tmp_path / "empty.md").write_text("nothing")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATA_DIR": str(tmp_path)}
    ran = run_here(environment, "capacity", *arguments, main=lab.main)
    assert complaint in ran.complaint
