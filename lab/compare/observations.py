"""The raw observations of one style's run."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kernel.contracts import Style
from kernel.envelope import CloudEvent
from lab.compare.kills import Kill
from lab.compare.orders import Planned
from services.orders.contracts import OrderStatus


@dataclass(frozen=True)
class History:
    """The costs of a workflow on the Temporal server."""

    events: int
    transitions: int


@dataclass(frozen=True)
class Records:
    """Records of the databases and the server after the run. `rows` counts written rows by database."""

    rows: dict[str, int]
    repeated_requests: int
    repeated_events: int
    dead_letters: int
    histories: dict[str, History]
    status_lines: dict[str, int]
    """Steps that `starter.py status` shows, of the orders that failed."""


@dataclass(frozen=True)
class Observations:
    """Moments are in seconds since 1970; `without_event` is when the orders ended of which the bus has nothing.

    `violations` and `problems` keep the run from being good, a line each.
    """

    style: Style
    planned: Sequence[Planned]
    placed_at: dict[str, float]
    ends: dict[str, OrderStatus]
    unpublished: dict[str, float]
    events: Sequence[CloudEvent]
    kills: Sequence[Kill]
    restarts: int
    records: Records
    violations: Sequence[str]
    temporal_version: str = ""
    nats_version: str = ""
    problems: Sequence[str] = field(default=())
