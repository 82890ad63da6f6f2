"""Record a release: `python -m tests.releases.record 0.2` writes what this code leaves for later code to open.

Orders of both styles run on real servers, in worker processes, and meet real faults. Some end; the others are under way
when the worker is stopped. Then every database is written as SQL, and every workflow as its history.

The next release: check out its commit, and run this. Another kind of order is one more entry in `_ORDERS`. What was
recorded is never recorded again: it is what code of that day wrote.
"""

import asyncio
import json
import re
import socket
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from client.contracts import Stage
from client.order import OrderLine
from kernel.contracts import Style
from lab.servers.temporal import DevServer
from lab.settings import LabSettings
from messaging.bus import Bus
from services.orders.contracts import OrderStatus
from settings import DATABASES
from tests.conftest import free_port
from tests.processes import ROOT, environment_of, until, worker_process
from tests.record_histories import exported
from tests.shop import sample_order, undeliverable
from tests.subscribers.http_endpoint import HttpEndpoint, to
from wiring.bus import open_bus
from wiring.clients import Clients
from wiring.temporal import connect
from workflows.contracts import workflow_id

RELEASES = Path(__file__).parent

_SECONDS = 60
_QUIET_SECONDS = 3

COMPLETED, REJECTED, CANCELLED = OrderStatus.COMPLETED, OrderStatus.REJECTED, OrderStatus.CANCELLED
IN_PROGRESS, NEEDS_ATTENTION = OrderStatus.IN_PROGRESS, OrderStatus.NEEDS_ATTENTION


class LeftOrder(TypedDict):
    """An order in `orders.json`: how it stood when it was recorded, and how it ends once nothing is in its way."""

    style: str
    status: str
    stage: str
    ends: str


@dataclass(frozen=True)
class _Kind:
    """How an order is left, and what it takes: changes, and a fault that must have struck it so many times."""

    status: OrderStatus
    stage: Stage
    ends: OrderStatus
    changes: dict[str, object] = field(default_factory=dict)
    fault: str = ""
    strikes: int = 0
    cancelled: bool = False

    def left(self, style: Style) -> LeftOrder:
        return {"style": style.value, "status": self.status.value, "stage": self.stage.value, "ends": self.ends.value}


# Outages have a count that is never reached, not `*`: faults that count are on record, so that we can wait for them.
_ORDERS = {
    "completed": _Kind(COMPLETED, Stage.ENDED, COMPLETED),
    "rejected": _Kind(REJECTED, Stage.ENDED, REJECTED, {"payment_token": "tok_chargeDeclined"}),
    "cancelled": _Kind(CANCELLED, Stage.ENDED, CANCELLED, fault="shipping.ship=down:9999", strikes=1, cancelled=True),
    "held": _Kind(IN_PROGRESS, Stage.REVIEW, COMPLETED, {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}),
    "stuck": _Kind(
        NEEDS_ATTENTION, Stage.ATTENTION, REJECTED, undeliverable(), fault="payments.refund=refuse", strikes=1
    ),
    "half-undone": _Kind(
        IN_PROGRESS, Stage.UNDOING, REJECTED, undeliverable(), fault="inventory.release=down:9999", strikes=2
    ),
    "half-forward": _Kind(IN_PROGRESS, Stage.PROCESSING, COMPLETED, fault="shipping.ship=down:9999", strikes=2),
}
_PREFIXES = {Style.ORCHESTRATION: "orch", Style.CHOREOGRAPHY: "chor"}
_FAULTS = ",".join(
    f"{kind.fault}@{prefix}-{name}" for prefix in _PREFIXES.values() for name, kind in _ORDERS.items() if kind.fault
)

# Two more, choreographed, that no fault makes: one that is in a service's outbox, and one that no service has received.
_IN_THE_OUTBOX, _UNHEARD = "chor-in-the-outbox", "chor-unheard"
_ON_ITS_WAY = _Kind(IN_PROGRESS, Stage.PROCESSING, COMPLETED)


async def _record(settings: LabSettings, folder: Path) -> None:
    clients = Clients(settings)
    try:
        with HttpEndpoint() as endpoint:
            left = await _run_orders(clients, settings, json.dumps([to(endpoint.url, per_second=1000)]))
    finally:
        await clients.close()
    await _write_histories(
        settings, folder / "histories", [one for one, order in left.items() if order["style"] == Style.ORCHESTRATION]
    )
    _write_databases(settings.data_dir, folder / "databases")
    _write(folder / "orders.json", json.dumps(left, indent=2) + "\n")


async def _run_orders(clients: Clients, settings: LabSettings, webhooks: str) -> dict[str, LeftOrder]:
    """Afterwards no worker runs, so nothing changes any more."""
    environment = environment_of(settings, "default") | {"WEBHOOKS": webhooks}
    left: dict[str, LeftOrder] = {}
    async with worker_process(environment):
        for style, prefix in _PREFIXES.items():
            for name, kind in _ORDERS.items():
                await _place(clients, style, f"{prefix}-{name}", kind, settings.data_dir)
                left[f"{prefix}-{name}"] = kind.left(style)
        async with open_bus(settings) as events:
            await _until_quiet(events.bus)
        for order_id, order in left.items():
            await _check(clients, order_id, order)
    on_its_way = _ON_ITS_WAY.left(Style.CHOREOGRAPHY)
    async with worker_process(environment, "--role", "choreography"):  # and no relay
        await _place(clients, Style.CHOREOGRAPHY, _IN_THE_OUTBOX, _ON_ITS_WAY, settings.data_dir)
        created = "SELECT count(*) FROM outbox WHERE correlation = ?"
        await until(lambda: _number(settings.data_dir / "orders.db", created, _IN_THE_OUTBOX) > 0)
    await _place(clients, Style.CHOREOGRAPHY, _UNHEARD, _ON_ITS_WAY, settings.data_dir)
    for order_id in (_IN_THE_OUTBOX, _UNHEARD):
        left[order_id] = on_its_way
        await _check(clients, order_id, on_its_way)
    return left


async def _place(clients: Clients, style: Style, order_id: str, kind: _Kind, data_dir: Path) -> None:
    client = await clients.client(style)
    await client.place(sample_order("order", order_id=order_id, customer_id=f"customer-of-{order_id}", **kind.changes))
    calls = "SELECT coalesce(sum(calls), 0) FROM hits WHERE order_id = ?"
    await until(lambda: not kind.strikes or _number(data_dir / "faults.db", calls, order_id) >= kind.strikes)
    if kind.cancelled:
        await client.cancel(order_id, "changed my mind")


async def _check(clients: Clients, order_id: str, expected: LeftOrder) -> None:
    state = (await (await clients.client_of(order_id)).get(order_id)).state
    assert (state.status, state.stage) == (expected["status"], expected["stage"]), state
    print(f"{order_id:<20} {state.status:<16} {state.stage}")


async def _until_quiet(bus: Bus) -> None:
    """Until nothing has been published for a while: what can go on has done so, and every consumer has caught up."""
    head, since = -1, time.monotonic()
    async with asyncio.timeout(_SECONDS):
        while time.monotonic() < since + _QUIET_SECONDS:
            if (now := await bus.head()) != head:
                head, since = now, time.monotonic()
            await asyncio.sleep(0.1)


async def _write_histories(settings: LabSettings, folder: Path, order_ids: list[str]) -> None:
    client = await connect(settings)
    for order_id in order_ids:
        history = await client.get_workflow_handle(workflow_id(order_id)).fetch_history()
        _write(folder / f"{order_id}.json", exported(history))


def _write_databases(data_dir: Path, folder: Path) -> None:
    """All but the record of faults, which are the recording's, and no part of what is released."""
    files = {file.stem: file for file in data_dir.glob("*.db") if file.stem != "faults"}
    assert files.keys() > set(DATABASES) - {"subscribers"}, files
    for name, file in files.items():
        with closing(sqlite3.connect(file)) as connection:
            _write(folder / f"{name}.sql", "\n".join(connection.iterdump()) + "\n")


def _write(file: Path, text: str) -> None:
    """Without this machine's name, which Temporal's identities have in them."""
    host = socket.gethostname()
    text = re.sub(rf"\b\d+@{re.escape(host)}", "order-saga", text)
    assert not any(ours in text for ours in (f"@{host}", str(ROOT), tempfile.gettempdir(), str(Path.home()))), file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _number(database: Path, query: str, order_id: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        number: int = connection.execute(query, (order_id,)).fetchone()[0]
        return number


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("which release? python -m tests.releases.record 0.2")
    folder = RELEASES / sys.argv[1]
    if folder.exists():
        sys.exit(f"{folder} is there already; what was recorded is never recorded again")
    with tempfile.TemporaryDirectory() as temporary:
        settings = LabSettings(data_dir=Path(temporary), temporal_port=free_port(), ui_port=free_port(), faults=_FAULTS)
        server = DevServer(settings.model_copy(update={"data_dir": Path(temporary) / "server"}))
        server.start()
        try:
            asyncio.run(_record(settings, folder))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
