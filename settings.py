"""Settings, from the environment (or a `.env` file); Temporal's own come from its environment variables and profiles.

Every value has a default that works on one machine with nothing configured.
"""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from temporalio.envconfig import ClientConfig

from services.contracts import Seconds
from services.fraud.contracts import FraudLimits
from workflows.contracts import Policy

SERVICES = ("orders", "fraud", "inventory", "payments", "shipping")
COMPANIES = ("gateway", "courier")  # the simulated card processor and courier, with records of their own
EVENTING = ("bus", "consumers", "subscribers")  # the log of events, who has read how far, and what subscribers make
DATABASES = SERVICES + COMPANIES + EVENTING


class SettingsError(Exception):
    """A setting is wrong; the text is one line that says which, and what would do."""


class CatalogueProduct(BaseModel):
    """`unit_price` in minor units; `stock` in pieces."""

    sku: str
    name: str
    unit_price: PositiveInt
    stock: NonNegativeInt


class Catalogue(BaseModel):
    currency: str = Field(pattern="^[A-Z]{3}$")
    products: list[CatalogueProduct]


class Settings(BaseSettings):
    """Durations are in seconds.

    `database_url` is for all databases, with `{service}` where a database's name goes; `databases` names single ones.
    Each process has at most `database_connections` to each PostgreSQL database.
    `bus_url` is a NATS server's; without one, the bus is a log in the database `bus`.
    `heartbeat` is a file that a worker touches while all of it runs.
    """

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", env_nested_delimiter="__")

    data_dir: Path = Path(__file__).with_name("data")
    database_url: str = ""
    databases: dict[str, str] = {}
    database_connections: int = Field(5, ge=2)
    catalogue: Path = Path(__file__).with_name("catalogue.json")

    bus_url: str = ""
    bus_stream: str = Field("ORDER_SAGA", pattern="^[A-Za-z0-9_-]{1,50}$")

    temporal_port: int = Field(7233, ge=1, le=65_535)
    ui_port: int = Field(8233, ge=1, le=65_535)
    ui_url: str = ""

    policy: Policy = Policy()
    fraud: FraudLimits = FraudLimits()
    courier_pickup: Seconds = 3600
    shutdown_grace: Seconds = 20
    heartbeat: Path | None = None
    max_concurrent_activities: int = Field(50, ge=1)
    faults: str = ""

    def url_of(self, name: str) -> str:
        """The database of a service, or of a simulated company."""
        if name in self.databases:
            return self.databases[name]
        template = self.database_url or f"sqlite:///{self.data_dir.absolute()}/{{service}}.db"
        return template.replace("{service}", name)

    def temporal(self) -> dict[str, Any]:
        """Where the Temporal server is, for `Client.connect`: as its profile says, or on this machine."""
        configured = dict(ClientConfig.load_client_connect_config())
        return {"target_host": f"127.0.0.1:{self.temporal_port}", "namespace": "default"} | configured

    def link(self, namespace: str, workflow_id: str) -> str:
        """The Temporal UI's page of a workflow."""
        base = self.ui_url.rstrip("/") or f"http://localhost:{self.ui_port}"
        return f"{base}/namespaces/{namespace}/workflows/{workflow_id}"

    def products(self) -> Catalogue:
        try:
            return Catalogue.model_validate(json.loads(self.catalogue.read_text()))
        except (OSError, ValueError) as error:
            raise SettingsError(f"CATALOGUE: {self.catalogue}: {one_line(error)}") from None


def load() -> Settings:
    """Raises SettingsError, with all that can be checked without a connection checked."""
    try:
        settings = Settings()
        host = settings.temporal()["target_host"]
    except (ValueError, RuntimeError) as error:
        raise SettingsError(one_line(error)) from None
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


def one_line(error: BaseException) -> str:
    """An error in one line; of pydantic's, the first with the place it is about."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]).upper() or "value"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        return f"{where}: {first['msg'].removeprefix('Value error, ')}{more}"
    unreadable = re.search(r'error parsing value for field "(\w+)"', str(error))
    if unreadable:
        return f"{unreadable[1].upper()}: not JSON"
    return " ".join(str(error).split()) or type(error).__name__
