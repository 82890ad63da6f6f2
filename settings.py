"""Settings, from the environment (or a `.env` file); Temporal's own come from its environment variables and profiles.

Every value has a default that works on one machine with nothing configured.
"""

from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, Field
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from temporalio.envconfig import ClientConfig

from kernel.contracts import Policy, Seconds, Steps
from kernel.environment import EnvironmentSettings, wrong_setting
from kernel.errors import SettingsError
from services import SERVICES

K = TypeVar("K", bound="Settings")
S = TypeVar("S", bound=EnvironmentSettings)

# The log of events, how far each consumer is, and what subscribers make of events.
EVENTING = ("bus", "consumers", "subscribers")
DATABASES = (
    *(service.name for service in SERVICES),
    *(provider.name for service in SERVICES for provider in service.providers),
    *EVENTING,
)


class LogFormat(StrEnum):
    """How log lines are written: as plain text, or structured, as columns for a person or JSON for machines."""

    TEXT = "text"
    COLUMNS = "columns"
    JSON = "json"


class Schedules(BaseModel):
    """How often each schedule runs, in seconds; 0: never."""

    reconciliation_every: float = Field(3_600, ge=0, le=315_360_000)
    audit_every: float = Field(86_400, ge=0, le=315_360_000)


class Settings(EnvironmentSettings):
    """Durations are in seconds.

    `database_url` is for all databases, with `{service}` in place of the name; `databases` overrides it by name.
    Each process opens at most `database_connections` to each PostgreSQL database.
    `bus_url` is the URL of a NATS server; without one, the bus is a log in the database `bus`.
    `steps` is where the steps of an orchestrated order are tried first: `in-place` in the saga's worker, or by `queue`.
    A step that is retried for longer than `attention_after` needs a person; so does a consumer that lags.
    `processes` is the number of processes of a worker; without it, the worker decides by its roles and the cores.
    `actor` is recorded as the author of decisions that are made with the commands; if empty, the login name is.
    `heartbeat` is a file that a worker touches while all of it runs.
    `metrics_port` is where a worker serves metrics and health; without one, it serves none.
    """

    data_dir: Path = Path(__file__).with_name("data")
    database_url: str = ""
    databases: dict[str, str] = Field(default={})
    database_connections: int = Field(5, ge=2)

    bus_url: str = ""
    bus_stream: str = Field("ORDER_SAGA", pattern="^[A-Za-z0-9_-]{1,50}$")

    temporal_port: int = Field(7233, ge=1, le=65_535)
    ui_port: int = Field(8233, ge=1, le=65_535)
    ui_url: str = ""

    policy: Policy = Policy()
    steps: Steps = Steps.IN_PLACE
    attention_after: Seconds = 60
    actor: str = Field("", max_length=100)
    shutdown_grace: Seconds = 20
    processes: int | None = Field(None, ge=1)
    heartbeat: Path | None = None
    max_concurrent_activities: int = Field(50, ge=1)

    metrics_port: int | None = Field(None, ge=1, le=65_535)
    metrics_host: str = "127.0.0.1"
    log_format: LogFormat = LogFormat.TEXT
    schedules: Schedules = Schedules()

    _given: tuple[EnvironmentSettings, ...] = ()

    def given(self, *others: EnvironmentSettings) -> Self:
        """A copy with these settings of services, which take precedence over the environment."""
        copy = self.model_copy()
        copy._given = (*others, *self._given)
        return copy

    def of(self, kind: type[S]) -> S:
        """A service's own settings. Raises SettingsError."""
        return next((one for one in self._given if isinstance(one, kind)), None) or kind.read()

    def url_of(self, name: str) -> str:
        """The database URL of a service, a simulated provider, the bus, its consumers or its subscribers."""
        if name in self.databases:
            return self.databases[name]
        template = self.database_url or f"sqlite:///{self.data_dir.absolute()}/{{service}}.db"
        return template.replace("{service}", name)

    def temporal(self) -> dict[str, Any]:
        """Arguments for `Client.connect`: from Temporal's profile, or for a server on this machine."""
        configured = dict(ClientConfig.load_client_connect_config())
        return {"target_host": f"127.0.0.1:{self.temporal_port}", "namespace": "default"} | configured

    def link(self, namespace: str, workflow_id: str) -> str:
        """The Temporal UI's page of a workflow."""
        return f"{self._workflows_page(namespace)}/{workflow_id}"

    def _workflows_page(self, namespace: str) -> str:
        base = self.ui_url.rstrip("/") or f"http://localhost:{self.ui_port}"
        return f"{base}/namespaces/{namespace}/workflows"


def load() -> Settings:
    """All that can be checked without a connection is checked. Raises SettingsError."""
    return load_as(Settings)


def load_as(kind: type[K]) -> K:
    try:
        settings = kind()
        host = settings.temporal()["target_host"]
        for service in SERVICES:
            if service.settings:
                settings.of(service.settings)
    except (ValueError, RuntimeError) as error:
        raise SettingsError(wrong_setting(error)) from None
    if "://" in host:
        raise SettingsError(f"TEMPORAL_ADDRESS: {host} is a URL; give host:port, such as localhost:7233")
    for name in settings.databases:
        if name not in DATABASES:
            raise SettingsError(f"DATABASES: '{name}' is no database; there are: {', '.join(DATABASES)}")
    if settings.database_url and "{service}" not in settings.database_url:
        raise SettingsError("DATABASE_URL: each service has a database of its own: put {service} where its name goes")
    if settings.bus_url and not settings.bus_url.startswith(("nats://", "tls://")):
        raise SettingsError("BUS_URL: give the URL of a NATS server, such as nats://127.0.0.1:4222, or nothing")
    for name in DATABASES:
        try:
            backend = make_url(settings.url_of(name)).get_backend_name()
        except ArgumentError:
            raise SettingsError(f"the database URL of {name} is not a URL, such as sqlite:///data/{name}.db") from None
        if backend not in ("sqlite", "postgresql"):
            raise SettingsError(f"the database of {name} is {backend}; it can be sqlite or postgresql")
    return settings
