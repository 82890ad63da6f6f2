"""What is not configured costs nothing, and what is, changes nothing of what an order does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine, event, select
from temporalio.api.enums.v1 import EventType

from audit.reading import reading
from kernel.outbox import outbox
from lab.settings import LabSettings
from services import SERVICES
from settings import LogFormat
from tests.conftest import free_port
from tests.observability.observed import observed_shop
from tests.shop import sample_order
from wiring.roles import HOSTS, ON_TEMPORAL

NAMESPACE = "costs"
_DATABASES = [*HOSTS, "gateway", "courier"]


class Costs(NamedTuple):
    """What one order costs. How many workflow tasks it takes depends on which of two steps is quicker."""

    history: list[str]
    statements: list[str]
    events: list[str]


async def test_being_observed_adds_no_statement_and_no_event(server: LabSettings, tmp_path: Path) -> None:
    observed = {"metrics_port": free_port(), "log_format": LogFormat.JSON}
    assert await _costs(server, tmp_path / "on", **observed) == await _costs(server, tmp_path / "off")


async def _costs(server: LabSettings, data: Path, **settings: object) -> Costs:
    changed = server.model_copy(update={"data_dir": data} | settings)
    order = sample_order()
    async with observed_shop(changed, ON_TEMPORAL, NAMESPACE) as shop:
        engines = [shop.services.database(name).engine for name in _DATABASES]
        with _statements(engines) as statements:
            await shop.orchestrated.run(order)
        history = (await shop.orchestrated.handle(order).fetch_history()).events
    names = [EventType.Name(one.event_type).removeprefix("EVENT_TYPE_") for one in history]
    in_history = sorted(name for name in names if not name.startswith("WORKFLOW_TASK_"))
    events = list[str]()
    for service in SERVICES:
        with reading(changed, service.name) as tx:
            events += tx.scalars(select(outbox.c.type))
    return Costs(in_history, sorted(statements), sorted(events))


@contextmanager
def _statements(engines: Sequence[Engine]) -> Iterator[list[str]]:
    """Those that are executed meanwhile."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        found.append(statement)

    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield found
