"""`python -m lab incidents`: a shop with six prepared problems, to practise with `starter.py`."""

import asyncio
import base64
import json
import os
import secrets
import shlex
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cli.console import out
from client.attention import AttentionKind
from client.order import Order
from kernel.contracts import Style
from kernel.errors import SettingsError
from lab.folder import empty, folder_of_our_own
from lab.sample import sample_order
from lab.servers.temporal import DevServer
from lab.settings import LabSettings, load
from lab.worker_process import WorkerProcess
from wiring.attention import attention
from wiring.clients import Clients
from wiring.stopping import check, is_asked_to_stop, listening, run_until_stopped
from wiring.temporal import connect
from workflows.contracts import workflow_id

_ATTENTION_AFTER = 5.0
_SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()

# Inventory is down for an order for about four minutes.
FAULTS = ",".join(
    ("payments.refund=refuse:*@refund-*", "inventory.reserve=down:25@outage-*", "shipping.ship=slow:6@terminated-*")
)
TROUBLES = {
    AttentionKind.UNDO_FAILED: "a refund that the card processor refuses",
    AttentionKind.REVIEW: "an order that is held as a possible fraud",
    AttentionKind.RETRYING: "an order in an outage, one in each style",
    AttentionKind.DEAD_LETTER: "an event that a consumer gave up",
    AttentionKind.WEBHOOK: "a webhook endpoint that is down",
    AttentionKind.ENDED_BY_FORCE: "a saga that was terminated in Temporal",
}


def incidents() -> int:
    """Run a shop with six problems to solve, until Ctrl-C."""
    settings = load()
    settings = settings.model_copy(
        update={
            "data_dir": settings.data_dir / "incidents",
            "faults": FAULTS,
            "attention_after": _ATTENTION_AFTER,
            "bus_stream": f"{settings.bus_stream}_INCIDENTS",
        }
    )
    with listening(), folder_of_our_own(settings.data_dir), _outside_systems(settings.data_dir) as port:
        return _incidents(settings, _environment(settings, port))


def _incidents(settings: LabSettings, environment: dict[str, str]) -> int:
    server = DevServer(settings)
    worker = WorkerProcess(settings, log=settings.data_dir / "worker.log", environment=os.environ | environment)
    try:
        if server.is_wanted():
            server.check_ports()
            empty(settings.data_dir)
            out.print("Starting the Temporal dev server ...")
            server.start()
        check()
        out.print("Starting the worker ...")
        worker.start()
        os.environ.update(environment)  # what is looked at here has the same endpoints
        out.print("Causing six problems ...")
        run_until_stopped(_unless_dead(worker, _prepare(settings)))
        _explain(settings, environment)
        while not is_asked_to_stop():
            time.sleep(0.1)
        out.print("Stopping ...")
        return 0
    finally:
        worker.stop()
        server.stop()


async def _unless_dead(worker: WorkerProcess, preparing: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(preparing)
    while not (await asyncio.wait([task], timeout=0.5))[0]:
        if worker.wait(0):
            task.cancel()
            raise SettingsError("the worker did not start; see worker.log in the data folder")
    task.result()


async def _prepare(settings: LabSettings) -> None:
    clients = Clients(settings)
    conducted, evented = await clients.client(Style.ORCHESTRATION), await clients.client(Style.CHOREOGRAPHY)
    await conducted.place(_order("fine-1"))
    await conducted.place(_order("refund-1", country="AQ"))
    await conducted.place(_order("held-1", sku="espresso-machine"))
    await conducted.place(_order("outage-1"))
    await evented.place(_order("outage-2"))
    await conducted.place(_order("given-up-1", sku="espresso-machine"))
    await conducted.outcome("given-up-1")
    await conducted.cancel("given-up-1", "ordered twice")
    await conducted.place(_order("terminated-1"))
    while not any(one.step == "shipping.ship" for one in (await conducted.get("terminated-1")).state.steps):
        await asyncio.sleep(0.2)
    temporal = await connect(settings)
    await temporal.get_workflow_handle(workflow_id("terminated-1")).terminate("cleaning up")
    while TROUBLES.keys() - {entry.kind for entry in await attention(settings, clients)}:
        await asyncio.sleep(1)
    await clients.close()


def _order(name: str, sku: str = "mug", country: str = "DE") -> Order:
    return sample_order(name, (sku, 1), country=country)


def _environment(settings: LabSettings, port: int) -> dict[str, str]:
    """The settings of this shop's worker and `starter.py`."""
    url = f"http://127.0.0.1:{port}"
    erp = {"name": "erp", "url": f"{url}/erp", "secret": _SECRET, "types": ["OrderCompleted", "OrderRejected"]}
    crm = {"name": "crm", "url": f"{url}/crm", "secret": _SECRET, "types": ["OrderCancelled"]}
    plain = {"allow_http": True}
    return {
        "DATA_DIR": str(settings.data_dir.absolute()),
        "TEMPORAL_PORT": str(settings.temporal_port),
        "UI_PORT": str(settings.ui_port),
        "BUS_STREAM": settings.bus_stream,
        "ATTENTION_AFTER": f"{settings.attention_after:g}",
        "WEBHOOKS": json.dumps([erp | plain | {"first_pause": 2, "longest_pause": 60}, crm | plain]),
    }


def _explain(settings: LabSettings, environment: dict[str, str]) -> None:
    file = settings.data_dir / "environment.sh"
    file.touch(mode=0o600)
    file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()))
    out.print(f"\nThe shop has {len(TROUBLES)} problems:")
    for trouble in TROUBLES.values():
        out.print(f"  - {trouble}")
    out.print("\nIn another terminal, from this folder:")
    out.print(f"  . {file}")
    out.print("  .venv/bin/python starter.py attention")
    out.print("\ndocs/operating.md explains each entry and how to resolve it. Outside the shop:")
    out.print("  inventory recovers after some minutes;")
    out.print(f"  start the endpoint erp with: touch {settings.data_dir / 'erp-is-up'}")
    out.print(f"\nTemporal UI: http://localhost:{settings.ui_port}. Ctrl-C ends the shop.")


@contextmanager
def _outside_systems(folder: Path) -> Iterator[int]:
    """Two webhook endpoints: `erp` is down until it is started, `crm` refuses its first event. Yields their port."""
    asked: set[str] = set()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            is_first = self.path not in asked
            asked.add(self.path)
            status = 410 if self.path == "/crm" and is_first else 204
            if self.path == "/erp" and not (folder / "erp-is-up").exists():
                status = 503
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep requests out of the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
