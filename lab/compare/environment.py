"""The environment of one style's run: databases in a folder, a worker, a stream, a Temporal server."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client

from kernel.catalogue import CatalogueSettings
from kernel.contracts import Policy, Style
from lab.compare.kills import Readiness
from lab.compare.orders import CATALOGUE
from lab.servers.ports import free_ports
from lab.servers.temporal import DevServer
from lab.settings import LabSettings
from lab.worker_process import WorkerProcess
from messaging.bus import BusDown
from messaging.nats.connection import NatsConnection
from services.fraud.contracts import FraudLimits
from wiring.bus_roles import ON_THE_BUS
from wiring.roles import AT_WORK

# Short, so that what a killed worker was at is soon tried again, and what cannot be done is soon given up.
POLICY = Policy(attempt_timeout=4, step_deadline=120, undo_deadline=120)

ROLES_OF = {
    Style.ORCHESTRATION: tuple(role for role in AT_WORK if role != "choreography"),
    Style.CHOREOGRAPHY: ON_THE_BUS,
}

_SHUTDOWN_SECONDS = 5
# What a worker gets of our environment: no setting of the user's, whose subscribers would send mails and webhooks.
_INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_INHERITED_PREFIXES = ("LC_", "PYTHON", "XDG_", "SSL_", "DYLD_", "TEMPORAL_")


@dataclass(frozen=True)
class Environment:
    """`nats_version` is empty when the bus is in SQL."""

    settings: LabSettings
    worker: WorkerProcess
    readiness: Readiness
    nats_version: str


@contextmanager
def environment(style: Style, settings: LabSettings) -> Iterator[Environment]:
    """Started for the block, and always stopped. Raises SettingsError, Unreachable, BusDown."""
    settings.data_dir.mkdir(parents=True)
    settings.of(CatalogueSettings).catalogue.write_text(CATALOGUE.model_dump_json())
    log = settings.data_dir / "worker.log"
    roles = [word for role in ROLES_OF[style] for word in ("--role", role)]
    worker = WorkerProcess(settings, *roles, log=log, environment=worker_environment(settings))
    with ExitStack() as stack:
        nats_version = ""
        if settings.bus_url:
            nats_version = asyncio.run(_make_stream(settings))
            stack.callback(lambda: asyncio.run(_delete_stream(settings)))
        if style is Style.ORCHESTRATION and DevServer.is_wanted():
            server = DevServer(settings)
            stack.callback(server.stop)
            server.start()
        stack.callback(worker.kill)  # in case it has not stopped in time
        stack.callback(worker.stop)
        worker.start()
        yield Environment(settings, worker, Readiness(worker, log), nats_version)


def settings_for(style: Style, settings: LabSettings, folder: Path, faults: str, token: str) -> LabSettings:
    """The user's settings, except storage and whatever decides an order's outcome."""
    temporal_port, ui_port = free_ports(2)
    own = {"temporal_port": temporal_port, "ui_port": ui_port, "data_dir": folder, "database_url": "", "databases": {}}
    own |= {"bus_stream": f"COMPARE_{style.upper()}_{token}"}
    own |= {"faults": faults, "policy": POLICY, "shutdown_grace": _SHUTDOWN_SECONDS}
    catalogue = CatalogueSettings(catalogue=folder / "catalogue.json")
    return settings.model_copy(update=own).given(FraudLimits(), catalogue)


async def temporal_version(client: Client) -> str:
    return (await client.workflow_service.get_system_info(GetSystemInfoRequest())).server_version


def worker_environment(settings: LabSettings) -> dict[str, str]:
    given = os.environ.items()
    own = {name: value for name, value in given if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)}
    own |= {f"POLICY__{name.upper()}": str(value) for name, value in settings.policy.model_dump().items()}
    own |= {
        "CATALOGUE": str(settings.of(CatalogueSettings).catalogue),
        "BUS_URL": settings.bus_url,
        "BUS_STREAM": settings.bus_stream,
    }
    own |= {"SHUTDOWN_GRACE": str(settings.shutdown_grace)}
    return own | {"MAX_CONCURRENT_ACTIVITIES": str(settings.max_concurrent_activities)}


async def _make_stream(settings: LabSettings) -> str:
    """The server's version. Raises BusDown."""
    connection = NatsConnection(settings.bus_url, settings.bus_stream)
    try:
        async with connection.use() as client:
            version = client.connected_server_version
            return f"{version.major}.{version.minor}.{version.patch}"
    finally:
        await connection.close()


async def _delete_stream(settings: LabSettings) -> None:
    connection = NatsConnection(settings.bus_url, settings.bus_stream)
    try:
        with suppress(BusDown):  # the run is over, and what stays behind is one stream
            async with connection.use() as client:
                await client.jsm().delete_stream(settings.bus_stream)
    finally:
        await connection.close()
