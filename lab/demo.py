"""`make demo`: orders through five services; some complete, others fail and are compensated."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich import box
from rich.table import Table

from audit.books import OrderBooks, read
from audit.invariants import Report, audit
from cli.console import out
from cli.reports import show_findings
from client.contracts import PlacedOrder, Review, Stage
from client.order import Order
from client.protocol import OrderClient
from kernel.contracts import Style
from kernel.errors import SettingsError
from kernel.money import Money
from lab.folder import empty, folder_of_our_own
from lab.pasted import pasted
from lab.sample import GOOD_CARD, sample_order
from lab.servers.temporal import DevServer
from lab.settings import LabSettings, load
from lab.web import address, with_stage
from lab.worker_process import WorkerProcess
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from settings import Schedules
from wiring.clients import Clients
from wiring.program import complain
from wiring.stopping import Stopped, check, is_asked_to_stop, listening, run_until_stopped

# Each fault hits the order that is named after it.
FAULTS = ",".join(
    (
        "inventory.reserve=down:3@*-outage",
        "payments.charge=lost@*-lost-reply",
        "shipping.ship=slow:2@*-cancelled",
        "payments.charge=kill-after@*-killed",
    )
)

# Short, so that the demo does not wait long for a worker that was killed.
_ATTEMPT_SECONDS = 4

COMPLETED, REJECTED, CANCELLED = OrderStatus.COMPLETED, OrderStatus.REJECTED, OrderStatus.CANCELLED

Meanwhile = Callable[[OrderClient, str], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One order of the demo. `charges` is the expected number of charges, refunded ones included."""

    name: str
    story: str
    expected: OrderStatus
    charges: int
    style: Style = Style.ORCHESTRATION
    sku: str = "mug"
    card: str = GOOD_CARD
    country: str = "DE"
    meanwhile: Meanwhile | None = None

    def order(self, run: str) -> Order:
        lines = (self.sku, 2), ("tea-sampler", 1)
        return sample_order(f"{run}-{self.name}", *lines, card=self.card, country=self.country)


def _decide(decision: Decision) -> Meanwhile:
    async def meanwhile(client: OrderClient, order_id: str) -> None:
        await client.outcome(order_id)
        await client.review(order_id, Review(decision=decision, note="looked at by a person"))

    return meanwhile


async def _cancel_when_charged(client: OrderClient, order_id: str) -> None:
    while True:
        state = (await client.get(order_id)).state
        if state.stage is Stage.ENDED or any(s.step == "payments.charge" and s.state == "done" for s in state.steps):
            break
        await asyncio.sleep(0.1)
    await client.cancel(order_id, "changed my mind")


SCENARIOS = (
    Scenario("completed", "nothing goes wrong", COMPLETED, 1),
    Scenario("declined", "the card is declined", REJECTED, 0, card="tok_chargeDeclinedInsufficientFunds"),
    Scenario("out-of-stock", "two were wanted, none was left", REJECTED, 0, sku="sold-out-scale"),
    Scenario("undeliverable", "no courier goes there, found out after the charge", REJECTED, 1, country="AQ"),
    Scenario("outage", "inventory is down three times, retries ride it out", COMPLETED, 1),
    Scenario("lost-reply", "charged, the reply is lost, asked again", COMPLETED, 1),
    Scenario(
        "fraud-approved", "held as a possible fraud, a person approves", COMPLETED, 1,
        sku="espresso-machine", meanwhile=_decide(Decision.APPROVE),
    ),
    Scenario(
        "fraud-declined", "held as a possible fraud, a person declines", REJECTED, 0,
        sku="espresso-machine", meanwhile=_decide(Decision.DECLINE),
    ),
    Scenario("cancelled", "cancelled by the customer while it ships", CANCELLED, 1, meanwhile=_cancel_when_charged),
)  # fmt: skip
CHOREOGRAPHED = Scenario(
    "choreographed", "undeliverable, with no orchestrator: each service reacts", REJECTED, 1,
    style=Style.CHOREOGRAPHY, country="AQ",
)  # fmt: skip
KILLED = Scenario("killed", "kill -9 of the worker between the charge and its reply", COMPLETED, 1)


def demo() -> int:
    """Run orders that complete, fail and are compensated."""
    settings = _settings()
    with listening(), folder_of_our_own(settings.data_dir):
        return _demo(settings)


def _settings() -> LabSettings:
    settings = load()
    policy = settings.policy.model_copy(update={"attempt_timeout": _ATTEMPT_SECONDS})
    own = {"data_dir": settings.data_dir / "demo", "faults": FAULTS, "policy": policy}
    # The databases begin empty, so events of an earlier demo would belong to unknown orders.
    own |= {"bus_stream": f"DEMO_{time.strftime('%Y%m%d_%H%M%S')}"}
    return settings.model_copy(update=own)


def _demo(settings: LabSettings) -> int:
    server = DevServer(settings)
    if "schedules" not in settings.model_fields_set:  # they would only distract
        settings = settings.model_copy(update={"schedules": Schedules(reconciliation_every=0, audit_every=0)})
    worker = WorkerProcess(with_stage(settings), log=settings.data_dir / "worker.log")
    try:
        if server.is_wanted():
            server.check_ports()
            empty(settings.data_dir)
            out.print("Starting the Temporal dev server ...")
            server.start()
        check()
        out.print("Starting the worker ...")
        worker.start()
        run = f"demo-{time.strftime('%H%M%S')}"
        good = run_until_stopped(_orders(settings, worker, run))
        _explore(settings, CHOREOGRAPHED.order(run).order_id)
    except Stopped:
        out.print("Stopping ...")
        raise
    else:
        return 0 if good else 1
    finally:
        worker.stop()
        server.stop()


async def _orders(settings: LabSettings, worker: WorkerProcess, run: str) -> bool:
    clients = Clients(settings)
    scenarios = (*SCENARIOS, CHOREOGRAPHED, KILLED)
    out.print(f"Placing {len(scenarios)} orders ...\n")
    first = asyncio.gather(*(_play(clients, scenario, run) for scenario in SCENARIOS))
    placed = await _unless_dead(worker, first)
    placed.append(await _play(clients, CHOREOGRAPHED, run))
    placed.append(await _play(clients, KILLED, run))
    await clients.close()
    books = await asyncio.to_thread(read, settings)
    report = await asyncio.to_thread(audit, settings)
    as_expected = [
        one.state.status is scenario.expected and len(books.orders[one.state.order_id].charges) == scenario.charges
        for scenario, one in zip(scenarios, placed, strict=True)
    ]
    out.print(_table(scenarios, placed, as_expected, books.orders))
    _verdict(report, as_expected, worker)
    return all(as_expected) and not report.violations and worker.restarts > 0


async def _play(clients: Clients, scenario: Scenario, run: str) -> PlacedOrder:
    client, order = await clients.client(scenario.style), scenario.order(run)
    await client.place(order)
    if scenario.meanwhile:
        await scenario.meanwhile(client, order.order_id)
    placed = await client.outcome(order.order_id)
    out.print(f"  {scenario.name:<15} {scenario.story}: [bold]{placed.state.status}[/]")
    return placed


async def _unless_dead(worker: WorkerProcess, orders: asyncio.Future[list[PlacedOrder]]) -> list[PlacedOrder]:
    while not (await asyncio.wait([orders], timeout=0.5))[0]:
        if worker.wait(0):
            orders.cancel()
            raise SettingsError("the worker did not start; see worker.log in the data folder")
    return orders.result()


def _table(
    scenarios: tuple[Scenario, ...], placed: list[PlacedOrder], as_expected: list[bool], books: dict[str, OrderBooks]
) -> Table:
    table = Table("order", "ended", box=box.SIMPLE_HEAD)
    for column in ("charged", "refunded", "pieces", "parcels"):
        table.add_column(column, justify="right")
    for scenario, one, good in zip(scenarios, placed, as_expected, strict=True):
        book = books[one.state.order_id]
        table.add_row(
            f"[link={one.link}]{scenario.name}[/link]" if one.link else scenario.name,
            one.state.status if good else f"[bold red]✗ {one.state.status}, not {scenario.expected}",
            _euros(book.charged),
            _euros(book.refunded),
            str(sum(book.held.values()) or ""),
            str(book.parcels_booked or ""),
        )
    return table


def _euros(amount: int) -> str:
    return str(Money(amount=amount, currency="EUR")) if amount else ""


def _verdict(report: Report, as_expected: list[bool], worker: WorkerProcess) -> None:
    out.print("Read from the ledger, the stock and the courier's parcels. The audit of all of it:")
    show_findings(report)
    if not worker.restarts:
        complain("the worker was to be killed, and was not")
    if not all(as_expected):
        complain("an order did not end as expected; see the table")


def _explore(settings: LabSettings, choreographed: str) -> None:
    out.print(f"Each undo, in the Temporal UI: {settings.link('default', '').rstrip('/')}")
    out.print("Look at the orders in another terminal:")
    for words in (("list",), ("trace", choreographed), ("audit",)):
        out.print(f"  {pasted(settings, *words)}")
    if sys.stdin.isatty() and sys.stdout.isatty():
        page = WorkerProcess(settings, log=settings.data_dir / "page.log", program="web")
        page.start()
        out.print(f"Both styles side by side, with faults to choose: [bold]{address()}[/]  (Ctrl-C: end)")
        try:
            while not is_asked_to_stop():
                time.sleep(0.1)
            out.print("Stopping ...")
        finally:
            page.stop()
