"""Each role as a process of its own, over PostgreSQL and NATS, or over the embedded SQLite databases and log in SQL."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil
from sqlalchemy import NullPool, create_engine, make_url, text

from kernel.catalogue import CatalogueSettings
from kernel.contracts import Policy
from kernel.errors import Unreachable
from lab.bench.flows import CATALOGUE
from lab.capacity.held import LOG, Totals, read
from lab.compare.environment import worker_environment
from lab.servers.nats import NatsServer
from lab.servers.ports import free_ports
from lab.servers.postgres import postgres_server
from lab.servers.temporal import DevServer
from lab.settings import LabSettings, load
from lab.worker_process import WorkerProcess
from services.fraud.contracts import FraudLimits
from settings import DATABASES
from wiring.roles import ON_TEMPORAL

BEHIND = ("relay", "subscribers")  # may be behind without holding up an order
ROLES = (*ON_TEMPORAL, *BEHIND)
CONNECTIONS = 5  # of each process to each PostgreSQL database

_START_SECONDS = 120
_LOOK_SECONDS = 0.05
_POLICY = Policy(attempt_timeout=60)  # a step that waits for a slow resource is not tried again meanwhile


class Storage(StrEnum):
    """Where services and events are stored."""

    NETWORK = "PostgreSQL and NATS"
    EMBEDDED = "SQLite and the log in SQL"


@dataclass(frozen=True)
class Setup:
    """What runs. `servers` has the pids of the servers that this program started, by name."""

    settings: LabSettings
    workers: dict[str, WorkerProcess]
    servers: Mapping[str, int]
    slow: tuple[str, float] | None

    def start(self, *roles: str) -> None:
        """Start a worker of each of these roles, and wait until it is ready. Raises Unreachable."""
        for role in roles:
            _log(self.settings, role).unlink(missing_ok=True)
            _totals(self.settings, role).unlink(missing_ok=True)
            self.workers[role] = _worker(self.settings, role, self.slow)
            self.workers[role].start()
        _until_ready(self.settings, {role: self.workers[role] for role in roles})

    def stop(self, *roles: str) -> None:
        for role in roles:
            self.workers[role].stop()
            self.workers[role].kill()  # in case it has not stopped in time

    def stop_all(self) -> None:
        self.stop(*self.workers)

    def cpu(self) -> dict[str, float]:
        """CPU seconds until now, by role, by server, and of this process, which places the orders."""
        pids = {role: worker.pid for role, worker in self.workers.items()} | dict[str, int | None](self.servers)
        return {name: _cpu(pid) for name, pid in pids.items() if pid} | {"client": time.process_time()}

    def totals(self) -> dict[str, Totals]:
        """What each role's process has written last."""
        return {role: read(_totals(self.settings, role)) for role in self.workers}


@contextmanager
def running(storage: Storage, slow: tuple[str, float] | None) -> Iterator[Setup]:
    """Servers and workers, for the block. Raises SettingsError, Unreachable.

    Args:
        slow: a database, and the seconds that its service's process, or the relay, holds it longer.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="order-saga-capacity-")))
        temporal_port, ui_port, nats_port = free_ports(3)
        own = {"temporal_port": temporal_port, "ui_port": ui_port, "data_dir": folder / "data", "bus_url": ""}
        own |= {"database_url": "", "databases": {}, "policy": _POLICY, "faults": "", "processes": 1}
        own |= {"bus_stream": "CAPACITY", "metrics_port": None, "database_connections": CONNECTIONS}
        catalogue = CatalogueSettings(catalogue=folder / "catalogue.json")
        catalogue.catalogue.write_text(CATALOGUE.model_dump_json())
        (folder / "data").mkdir()
        settings = load().model_copy(update=own).given(FraudLimits(), catalogue)
        servers: dict[str, int] = {}
        if DevServer.is_wanted():
            temporal = DevServer(settings)
            stack.callback(temporal.stop)
            temporal.start()
            servers["Temporal"] = temporal.pid
        if storage is Storage.NETWORK:
            nats = NatsServer(folder / "nats", nats_port)
            stack.callback(nats.stop)
            nats.start()
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="order-saga-")))
            url, servers["PostgreSQL"] = stack.enter_context(postgres_server(place))
            servers["NATS"] = nats.pid
            own |= {"bus_url": nats.url, "databases": _databases(url)}
            settings = load().model_copy(update=own).given(FraudLimits(), catalogue)
        setup = Setup(settings, {}, servers, slow)
        stack.callback(setup.stop_all)
        setup.start(*ROLES)
        yield setup


def _worker(settings: LabSettings, role: str, slow: tuple[str, float] | None) -> WorkerProcess:
    environment = worker_environment(settings) | {"DATABASES": json.dumps(settings.databases)}
    environment |= {"DATABASE_CONNECTIONS": str(settings.database_connections)}
    options = ["--role", role, "--totals", str(_totals(settings, role))]
    if slow and role == ("relay" if slow[0] == LOG else slow[0]):
        options += ["--slow", f"{slow[0]}={slow[1]}"]
    return WorkerProcess(settings, *options, log=_log(settings, role), program="measured", environment=environment)


def _until_ready(settings: LabSettings, workers: Mapping[str, WorkerProcess]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    for role, worker in workers.items():
        while not (_log(settings, role).exists() and "ready: " in _log(settings, role).read_text()):
            if worker.wait(_LOOK_SECONDS) or time.monotonic() > deadline:
                raise Unreachable(f"the worker of {role} does not start: {_log(settings, role).read_text()[-500:]}")


def _databases(url: str) -> dict[str, str]:
    """New databases on this server."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    with engine.connect() as connection:
        for name in DATABASES:
            connection.execute(text(f"CREATE DATABASE {name}"))
    return {name: make_url(url).set(database=name).render_as_string(hide_password=False) for name in DATABASES}


def _cpu(pid: int) -> float:
    """Of the process and its children: PostgreSQL has one for each connection."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    running = [child.cpu_times() for child in process.children(recursive=True)]
    ended = own.children_user + own.children_system
    return float(own.user + own.system + ended + sum(one.user + one.system for one in running))


def _log(settings: LabSettings, role: str) -> Path:
    return settings.data_dir / f"worker-{role}.log"


def _totals(settings: LabSettings, role: str) -> Path:
    return settings.data_dir / f"totals-{role}.json"
