"""What of the bus needs a person when nobody works: seen from the databases alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from choreography.events import OrderContent, OrderPlaced
from client.attention import AttentionEntry, AttentionKind
from kernel.contracts import Style
from lab.settings import LabSettings
from messaging.bus import Recorded
from services import SERVICES
from services.orders.declaration import ORDERS
from tests.events import published
from tests.services.samples import create
from tests.shop import sample_order
from wiring.attention import attention
from wiring.audit_reports import AuditFinding, keep_report
from wiring.bus import EventBus
from wiring.clients import Clients
from wiring.listening import all_subscriptions
from wiring.services import Services


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[tuple[LabSettings, Services, EventBus]]:
    """Without any worker, and without Temporal."""
    settings = LabSettings(data_dir=tmp_path, temporal_port=1, attention_after=0.001)
    services = Services(settings)
    for service in SERVICES:
        services.open(service)
    events = EventBus(settings, services)
    yield settings, services, events
    await events.close()
    services.close()


async def _found(settings: LabSettings, kind: AttentionKind) -> dict[str, AttentionEntry]:
    clients = Clients(settings)
    entries = await attention(settings, clients)
    await clients.close()
    assert len({entry.id for entry in entries}) == len(entries)
    return {entry.subject: entry for entry in entries if entry.kind is kind}


async def test_what_nobody_publishes_handles_or_settles_is_listed(
    shop: tuple[LabSettings, Services, EventBus],
) -> None:
    settings, services, events = shop
    services.open(ORDERS).create(create({"mug": 1}, "written-1"))
    order = sample_order(order_id="placed-1")
    placed = published(
        OrderPlaced(order=OrderContent.model_validate(order.content())), "placed-1", style=Style.CHOREOGRAPHY
    )
    await events.bus.append([placed])
    events.progress.failed("notifications", Recorded(1, placed), "NonRetryable: 550 no such mailbox")
    events.progress.mark_dead("notifications", placed.id)

    outboxes = await _found(settings, AttentionKind.OUTBOX)
    assert outboxes.keys() == {"orders"}
    assert "1 events of orders are not on the bus" in outboxes["orders"].why
    behind = await _found(settings, AttentionKind.CONSUMER)
    assert behind.keys() == {"orders"}
    assert behind["orders"].command == "worker.py --role choreography"
    [dead] = (await _found(settings, AttentionKind.DEAD_LETTER)).values()
    assert (dead.subject, dead.why) == (placed.id, "550 no such mailbox")


async def test_a_consumer_whose_database_is_missing_hides_no_other(
    shop: tuple[LabSettings, Services, EventBus],
) -> None:
    settings, _, events = shop
    all_subscriptions(events)  # makes the subscribers' databases
    placed = OrderPlaced(order=OrderContent.model_validate(sample_order(order_id="placed-2").content()))
    await events.bus.append([published(placed, "placed-2", style=Style.CHOREOGRAPHY)])
    assert {"orders", "audit-log"} <= (await _found(settings, AttentionKind.CONSUMER)).keys()
    for file in settings.data_dir.glob("audit_log.db*"):
        file.unlink()
    assert "audit_log.db" in (await _found(settings, AttentionKind.UNSEEN))["the consumer audit-log"].why
    assert (await _found(settings, AttentionKind.CONSUMER)).keys() == {"orders"}


async def test_what_an_audit_found_is_listed_until_one_finds_nothing(
    shop: tuple[LabSettings, Services, EventBus],
) -> None:
    settings, _, _ = shop
    finding = AuditFinding(order_id="order-1", invariant="charged once", detail="charged twice")
    keep_report(settings, SimpleNamespace(orders=1, violations=[finding]))
    assert (await _found(settings, AttentionKind.AUDIT))["order-1"].why == "charged twice"
    await asyncio.sleep(0.002)  # the reports differ by their milliseconds
    keep_report(settings, SimpleNamespace(orders=1, violations=[]))
    assert await _found(settings, AttentionKind.AUDIT) == {}
