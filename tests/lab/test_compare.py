"""`python -m lab compare`: the same orders through each style, as its users run it; and what it makes of them."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

import lab.__main__ as lab
from kernel.contracts import Event, Style
from kernel.database import Database
from kernel.envelope import CloudEvent, new_event
from kernel.money import Money
from lab.compare.comparison import Comparison, Conditions
from lab.compare.figures import UNFINISHED, Figures, figures
from lab.compare.kills import Kill
from lab.compare.observations import Observations, Records
from lab.compare.orders import CATALOGUE, DECK, Kind, planned
from lab.compare.page import write_page
from lab.compare.unpublished import Unpublished
from lab.compare.watch import Watch
from messaging.sql_log import SqlLog
from services.fraud.contracts import FraudLimits
from services.inventory.contracts import StockLine
from services.inventory.events import StockReleased, StockReserved
from services.orders.contracts import OrderStatus
from services.orders.events import OrderRejected
from services.payments.events import PaymentProcessed, PaymentRefunded
from services.shipping.events import ShippingFailed
from tests.processes import ROOT, Environment, Ran, run, run_here
from tests.shop import ShopUnderTest, sample_order
from workflows.contracts import TASK_QUEUE, CancelRequest, OrderInput, PlaceOrder, workflow_id
from workflows.order_saga import OrderSaga

ORDERS, SEED = 10, 6  # the last of them is placed after the first kill
FAULTS = "payments.charge=lost"
STYLES = ("orchestration", "choreography")


def environment(folder: Path) -> Environment:
    """Nothing but what a process needs, and everything that it writes is in the folder."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "DATA_DIR": str(folder)} | {
        "PYTHONPATH": str(ROOT)
    }


@dataclass(frozen=True)
class Compared:
    ran: Ran
    folder: Path
    left_behind: list[str]

    @property
    def styles(self) -> dict[str, Any]:
        styles: dict[str, Any] = self.ran.document["styles"]
        return styles


@pytest.fixture(scope="module")
async def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("compare")
    arguments = ("--orders", str(ORDERS), "--seed", str(SEED), "--faults", FAULTS, "--kill-every", "3")
    ran = await run("lab", environment(folder), "compare", *arguments, "--json", "--page", "page")
    return Compared(ran, folder, _left_in(folder))


def test_both_styles_bring_all_orders_to_rest_without_a_violation(compared: Compared) -> None:
    assert compared.ran.code == 0, compared.ran
    assert set(compared.styles) == set(STYLES)
    for one in compared.styles.values():
        assert sum(one["ends"].values()) == ORDERS
        assert UNFINISHED not in one["ends"]
        assert one["violations"] == one["problems"] == []


def test_what_no_moment_decides_ends_alike_in_both_styles(compared: Compared) -> None:
    orchestrated, choreographed = (compared.styles[style]["ends_by_kind"] for style in STYLES)
    for kind in {one.kind for one in planned(SEED, ORDERS)} - {Kind.CANCELLED}:
        assert orchestrated[kind] == choreographed[kind]


def test_the_worker_is_killed_and_the_orders_go_on(compared: Compared) -> None:
    for one in compared.styles.values():
        assert one["kills"]
        assert one["restarts"] >= len(one["kills"])
        assert all(kill["ready_after"] > 0 for kill in one["kills"])
        assert one["repeated_requests"] + one["repeated_events"] > 0


def test_what_an_order_costs_is_counted_in_each_style(compared: Compared) -> None:
    orchestrated, choreographed = (compared.styles[style] for style in STYLES)
    for one in (orchestrated, choreographed):
        assert one["rows_written_an_order"] > one["events_an_order"] > 3
        assert set(one["rows_written"]) >= {"orders", "payments", "gateway", "bus", "consumers", "audit_log"}
        assert 0 < one["p50"] <= one["p99"] <= one["seconds_to_rest"]
    assert orchestrated["history_events_an_order"] > orchestrated["state_transitions_an_order"] > 10
    assert choreographed["history_events_an_order"] is None


def test_it_says_how_far_it_is_and_leaves_nothing_behind(compared: Compared) -> None:
    for style in STYLES:
        assert f"{style}: starting" in compared.ran.err
        assert f"{style}: placing {ORDERS} orders" in compared.ran.err
    assert compared.left_behind == []


def test_the_page_states_its_run_and_shows_no_path_of_the_machine(compared: Compared) -> None:
    page = compared.folder / "page"
    text = (page / "scorecard.md").read_text()
    command = f"python -m lab compare --orders {ORDERS} --seed {SEED} --faults {FAULTS} --kill-every 3"
    for expected in (command, "| completed |", "Python 3.", "Temporal: SDK 1."):
        assert expected in text
    pictures = sorted(file.name for file in page.glob("*.svg"))
    assert len(pictures) == 3
    for picture in pictures:
        assert f"]({picture})" in text
    for file in page.iterdir():
        assert file.stat().st_size < 100_000
        for path in (str(ROOT), str(compared.folder), sys.prefix, "/tmp", "/home"):
            assert path not in file.read_text()


async def test_an_order_that_ends_before_any_event_is_found_finished(shop: ShopUnderTest, tmp_path: Path) -> None:
    order = sample_order()
    start = WithStartWorkflowOperation(
        OrderSaga.run,
        PlaceOrder(order=OrderInput.of(order)),
        id=workflow_id(order.order_id),
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    await shop.client.execute_update_with_start_workflow(
        OrderSaga.cancel, CancelRequest(), start_workflow_operation=start
    )
    watch = Watch(SqlLog(Database(f"sqlite:///{tmp_path}/bus.db")))
    unpublished = Unpublished(shop.settings, watch, [order.order_id])
    looking_out = asyncio.create_task(unpublished.look_out())
    async with asyncio.timeout(60):
        while not watch.is_finished(order.order_id):
            await asyncio.sleep(0.05)
    looking_out.cancel()
    assert watch.ends == {order.order_id: OrderStatus.CANCELLED}
    assert unpublished.ended_at.keys() == {order.order_id}


async def test_asked_to_end_it_ends_what_it_started(tmp_path: Path) -> None:
    """Also when a shell has started it in the background, which may ignore SIGINT there."""
    program = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        "trap '' INT; exec \"$@\"",
        "sh",
        sys.executable,
        "-m",
        "lab",
        "compare",
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stderr is not None
    async with asyncio.timeout(60):
        while b": placing " not in (line := await program.stderr.readline()):
            assert line, "it ended before any order was placed"
        assert len(_processes_of(tmp_path)) >= 3  # itself, the server, the worker
        program.send_signal(signal.SIGTERM)
        out, err = await program.communicate()
    assert program.returncode == 128 + signal.SIGTERM
    assert out == b""
    assert err.splitlines()[-1].decode() == "– stopped, with all that was started"
    async with asyncio.timeout(10):
        while _processes_of(tmp_path):  # the guard ends after the program that it watches
            await asyncio.sleep(0.05)
    assert _left_in(tmp_path) == []


def _left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("order-saga-compare-*")]


def _processes_of(folder: Path) -> list[str]:
    """By what they inherit: their folder for temporary files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().decode())
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--orders", "0"), "--orders"),
        (("--seed", "-1"), "--seed"),
        (("--kill-every", "0"), "--kill-every 0: give seconds, more than 0"),
        (("--kill-every", "-5"), "--kill-every -5: give seconds, more than 0"),
        (("--kill-every", "inf"), "--kill-every inf: give seconds, more than 0"),
        (("--faults", "payments.charge=gone"), "--faults: 'gone' is no kind of fault"),
        (("--faults", "nonsense"), "--faults: 'nonsense' is not service.operation=kind"),
        (("--page", "file/folder"), "--page file/folder: "),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(arguments: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert expected in run_here(environment(tmp_path), "compare", *arguments, main=lab.main).complaint


async def test_a_bus_that_does_not_answer_is_named_before_anything_is_run(tmp_path: Path) -> None:
    ran = await run("lab", environment(tmp_path) | {"BUS_URL": "nats://127.0.0.1:1"}, "compare")
    assert ran.code == 2
    assert "127.0.0.1:1" in ran.err.splitlines()[-1]
    assert "placing" not in ran.err


def test_the_same_seed_gives_the_same_orders_and_another_seed_others() -> None:
    assert planned(7, 50) == planned(7, 50)
    assert planned(7, 50)[:20] == planned(7, 20)
    assert planned(7, 50) != planned(8, 50)


def test_a_suffix_changes_the_names_of_orders_and_nothing_else() -> None:
    for plain, named in zip(planned(7, 40), planned(7, 40, "-x"), strict=True):
        names = {"order_id": plain.order.order_id, "customer_id": plain.order.customer_id}
        assert named.order.order_id == f"{plain.order.order_id}-x"
        assert named.order.model_copy(update=names) == plain.order
        assert (named.after, named.decision, named.cancel_after) == (plain.after, plain.decision, plain.cancel_after)


def test_every_kind_of_order_comes_in_its_share_and_each_of_a_customer_of_its_own() -> None:
    orders = planned(3, 3 * len(DECK))
    for kind in Kind:
        assert sum(one.kind is kind for one in orders) == 3 * DECK.count(kind) > 0
        assert all((one.cancel_after is not None) == (kind is Kind.CANCELLED) for one in orders if one.kind is kind)
    assert len({one.order.customer_id for one in orders}) == len(orders)


def test_only_the_possible_frauds_are_held_whatever_else_is_ordered() -> None:
    prices = {product.sku: product.unit_price for product in CATALOGUE.products}
    limits = FraudLimits()
    for one in planned(5, 200):
        total = sum(prices[line.sku] * line.quantity for line in one.order.lines)
        assert (total >= limits.large_amount) == (one.kind in (Kind.APPROVED, Kind.TURNED_DOWN))
        assert total < limits.huge_amount


def _types(order_id: str, source: str, moment: float, event: Event) -> CloudEvent:
    expected = new_event(
        event.type(),
        event.model_dump(mode="json"),
        event_id=f"{order_id}:{event.type()}",
        source=source,
        correlation=order_id,
        causation=order_id,
        style=Style.CHOREOGRAPHY,
    )
    return expected.model_copy(update={"time": datetime.fromtimestamp(moment, UTC)})


def _seen(*violations: str, ended: bool = True) -> Observations:
    """One order, placed at 100 s, charged, refunded and rejected, with a kill meanwhile."""
    order = next(one for one in planned(SEED, 20) if one.kind is Kind.UNDELIVERABLE)
    name = order.order.order_id
    price = Money(amount=1200, currency="EUR")
    events = [
        _types(name, "/inventory", 101, StockReserved(lines=(StockLine(sku="mug", quantity=3),))),
        _types(name, "/payments", 102, PaymentProcessed(charge_id="ch", amount=price)),
        _types(name, "/shipping", 103, ShippingFailed(reason="Undeliverable")),
        _types(name, "/payments", 106, PaymentRefunded(had_effect=True, amount=price)),
        _types(name, "/inventory", 107, StockReleased(had_effect=True)),
        _types(name, "/orders", 110, OrderRejected(reason="Undeliverable")),
    ]
    records = Records(
        rows={"orders": 9},
        repeated_requests=1,
        repeated_events=2,
        dead_letters=0,
        histories={},
        status_lines={name: 5},
    )
    return Observations(
        style=Style.CHOREOGRAPHY,
        planned=[order],
        placed_at={name: 100},
        ends={name: OrderStatus.REJECTED} if ended else {},
        unpublished={},
        events=events if ended else events[:3],
        kills=[Kill(at=103.5, ready_after=1.0)],
        restarts=1,
        records=records,
        violations=violations,
    )


def test_figures_are_what_the_events_say() -> None:
    one = figures(_seen())
    assert one.is_good
    assert one.ends == {"rejected": 1}
    assert (one.p50, one.seconds_to_rest) == (10, 10)
    assert (one.stock_held.greatest, one.stock_piece_seconds) == (6, 18)
    assert one.money_kept.greatest == 4
    assert one.refund_and_release_apart.greatest == 1
    assert one.kills[0].first_step_after == one.next_step_after_kill.greatest == 2.5
    assert (one.records_of_a_failed_order, one.writers_of_a_failed_order) == (6, 4)


def test_a_violation_or_an_order_that_does_not_end_is_not_good() -> None:
    assert not figures(_seen("stock: stock adds up: no")).is_good
    unended = figures(_seen(ended=False))
    assert unended.ends == {UNFINISHED: 1}
    assert not unended.is_good


def test_an_order_without_an_event_of_its_end_is_finished_when_its_workflow_ended() -> None:
    seen = _seen()
    (name,) = seen.placed_at
    one = figures(replace(seen, ends={name: OrderStatus.CANCELLED}, events=[], unpublished={name: 104}))
    assert one.is_good
    assert (one.ended_unpublished, one.seconds_to_rest) == (1, 4)


def _comparison(*styles: Figures) -> Comparison:
    return Comparison(
        conditions=Conditions(orders=1, seed=SEED, faults="", kill_every=None),
        began_at=datetime(2026, 1, 2, tzinfo=UTC),
        python="3.11.0",
        sdk="1.0",
        temporal="1.0",
        nats="",
        has_own_server=True,
        machine="Linux x86_64, 2 cores",
        styles=styles,
    )


def test_the_same_figures_give_the_same_page_and_pictures_to_the_byte(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
        write_page(_comparison(figures(_seen()), figures(_seen())), folder)
    one, other = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert len(one) == 4
    assert one == other


def test_the_page_says_what_was_wrong(tmp_path: Path) -> None:
    write_page(_comparison(figures(_seen()), figures(_seen("stock: stock adds up: no"))), tmp_path)
    assert "stock: stock adds up: no" in (tmp_path / "scorecard.md").read_text()
