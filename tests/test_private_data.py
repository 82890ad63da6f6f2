"""Marked values in every personal field of orders that end in every way, and where nobody may find them afterwards."""

import asyncio
import base64
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.client import Client

from choreography.events import OrderContent
from client.contracts import OrderState
from client.order import Address, Order, OrderLine
from kernel.contracts import Style
from lab.settings import LabSettings
from messaging.bus import PARTITIONS
from services.orders import contracts as of_orders
from services.orders.contracts import OrderStatus
from tests.choreographed import clients_of
from tests.conftest import client_of
from tests.processes import Environment, environment_of, run_here, until, worker_process
from tests.shop import POLICY, ShopUnderTest
from tests.subscribers.http_endpoint import HttpEndpoint, to
from wiring.roles import AT_WORK

NAMESPACE = "private"

MARK = "Qzx"  # in no word of the program's
GOOD_CARD, BAD_CARD = "tok_diners", f"tok_{MARK}unheard_of"
CUSTOMER = f"{MARK}-customer"

# What is published of it: what is sold, to which customer number, into which country.
PUBLIC = {"order_id", "customer_id", "lines", "country"}
WAYS = ("good", "declined", "undeliverable", "stuck", "broken")
BOTH = [(way, style) for way in WAYS for style in Style]


def marked(way: str, style: Style) -> Order:
    address = {name: f"{MARK} {name} 7" for name in Address.model_fields if name not in PUBLIC}
    return Order(
        order_id=f"{way}-{style}",
        customer_id=CUSTOMER,
        lines=(OrderLine(sku="mug", quantity=2),),
        payment_token=BAD_CARD if way == "declined" else GOOD_CARD,
        ship_to=Address(**address, country="AQ" if way in ("undeliverable", "stuck") else "DE"),
    )


@dataclass
class Aftermath:
    settings: LabSettings
    environment: Environment
    client: Client
    log: Path
    states: dict[tuple[str, Style], OrderState]
    webhooks: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
async def aftermath(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    data = tmp_path_factory.mktemp("private")
    policy = POLICY.model_copy(update={"step_deadline": 4, "undo_deadline": 2})
    settings = server.model_copy(
        update={"data_dir": data, "policy": policy, "faults": "payments.refund=refuse@stuck-*"}
    )
    client = await client_of(server, NAMESPACE)
    with HttpEndpoint() as endpoint:
        environment = environment_of(settings, NAMESPACE) | {
            "WEBHOOKS": json.dumps([to(endpoint.url, per_second=1000)])
        }
        async with worker_process(environment, *(word for role in AT_WORK for word in ("--role", role))) as worker:
            await until(lambda: _webhook_has_begun(data))
            states = await _ended(settings, client, [one for one in BOTH if one[0] != "broken"])
            _break_the_orders(data)
            states |= await _ended(settings, client, [one for one in BOTH if one[0] == "broken"])
            await until(lambda: _all_delivered(data, endpoint))
            yield Aftermath(settings, environment, client, worker.log, states, endpoint.events)


async def _ended(
    settings: LabSettings, client: Client, which: list[tuple[str, Style]]
) -> dict[tuple[str, Style], OrderState]:
    saga = ShopUnderTest(settings, client).saga(settings.policy)
    async with clients_of(settings) as choreographed:

        async def ended(way: str, style: Style) -> OrderState:
            order = marked(way, style)
            orders = saga if style is Style.ORCHESTRATION else choreographed.client
            await orders.place(order)
            return (await orders.outcome(order.order_id)).state

        states = await asyncio.gather(*(ended(*one) for one in which))
    return dict(zip(which, states, strict=True))


def _break_the_orders(data: Path) -> None:
    with closing(sqlite3.connect(data / "orders.db")) as orders, orders:
        orders.execute("ALTER TABLE orders RENAME TO gone")


def _webhook_has_begun(data: Path) -> bool:
    """A new one gets what happens from now on."""
    with closing(sqlite3.connect(data / "consumers.db")) as consumers:
        begun = consumers.execute("SELECT count(*) FROM positions WHERE consumer = 'webhook-shop-watch'").fetchone()
    return bool(begun[0] == PARTITIONS)


def _all_delivered(data: Path, endpoint: HttpEndpoint) -> bool:
    with closing(sqlite3.connect(data / "bus.db")) as bus, closing(sqlite3.connect(data / "audit_log.db")) as log:
        ids = {event_id for (event_id,) in bus.execute("SELECT event_id FROM events")}
        logged = {event_id for (event_id,) in log.execute("SELECT event_id FROM audit_entries")}
    return ids <= logged & {event["id"] for event in endpoint.events}


def clean(*texts: str) -> None:
    for text in texts:
        for mark in (MARK, GOOD_CARD):
            at = text.find(mark)
            assert at < 0, text[max(0, at - 200) : at + 200]


def without_customer(text: str) -> str:
    """Of what may say whose order it is."""
    return text.replace(CUSTOMER, "")


def test_every_field_of_an_order_is_public_or_private_by_declaration() -> None:
    assert set(OrderContent.model_fields) - PUBLIC == set(OrderContent.private)
    assert set(of_orders.Address.model_fields) - PUBLIC == set(of_orders.Address.private)


@pytest.mark.parametrize("style", Style)
def test_the_orders_ended_in_every_way(aftermath: Aftermath, style: Style) -> None:
    states = {way: aftermath.states[way, style] for way in WAYS}
    assert states["good"].status is OrderStatus.COMPLETED
    assert states["declined"].reason == "PaymentDeclined: there is no such card token"
    assert states["undeliverable"].reason == "Undeliverable: no courier goes to AQ"
    assert states["stuck"].problems == ("payments.refund: CannotUndo: payments.refund refuses",)
    assert "no such table: orders" in states["broken"].reason + str(states["broken"].problems)


@pytest.mark.parametrize("name", ["audit_log", "webhooks"])
def test_what_publishes_to_others_keeps_neither_card_nor_address(aftermath: Aftermath, name: str) -> None:
    clean(without_customer(_all_of(aftermath.settings, name)))


def test_analytics_knows_of_nobody(aftermath: Aftermath) -> None:
    clean(_all_of(aftermath.settings, "analytics"))


def test_a_mail_says_neither_card_nor_address(aftermath: Aftermath) -> None:
    clean(without_customer(_all_of(aftermath.settings, "notifications")))


def test_no_webhook_says_card_or_address(aftermath: Aftermath) -> None:
    assert {event["type"] for event in aftermath.webhooks} >= {"OrderCreated", "OrderRejected", "AttentionNeeded"}
    clean(without_customer(json.dumps(aftermath.webhooks)))


def test_no_log_line_says_whose_order_it_is(aftermath: Aftermath) -> None:
    log = aftermath.log.read_text()
    assert "no such table: orders" in log
    clean(log)


def test_the_error_of_a_dead_letter_says_it_neither(aftermath: Aftermath) -> None:
    with closing(sqlite3.connect(aftermath.settings.data_dir / "consumers.db")) as consumers:
        errors = [error for (error,) in consumers.execute("SELECT error FROM failures")]
    assert any("no such table: orders" in error for error in errors)
    clean(*errors)


async def test_what_temporal_shows_without_decoding_says_it_neither(aftermath: Aftermath) -> None:
    """Ids, types, search attributes, memo, summaries and failures: all but what goes in and out of the workflow."""
    found = 0
    async for execution in aftermath.client.list_workflows():
        described = await aftermath.client.get_workflow_handle(execution.id).describe()
        clean(*_texts(MessageToDict(described.raw_description)))
        history = await aftermath.client.get_workflow_handle(execution.id).fetch_history()
        clean(*_texts(json.loads(history.to_json())))
        found += 1
    assert found == len(WAYS)


async def test_no_command_that_looks_shows_it(aftermath: Aftermath) -> None:
    commands: list[tuple[str, ...]] = [("list",), ("list", "--json"), ("events", "list"), ("analytics", "--json")]
    commands += [("events", "dead-letters", "list"), ("audit",), ("events", "consumers")]
    for way, style in BOTH:
        order_id = marked(way, style).order_id
        commands += [("status", order_id), ("status", order_id, "--json"), ("trace", order_id)]
    for command in commands:
        ran = await asyncio.to_thread(run_here, aftermath.environment, *command)
        assert ran.out + ran.err
        clean(ran.out, ran.err)


def _all_of(settings: LabSettings, name: str) -> str:
    """Every value in a database."""
    with closing(sqlite3.connect(settings.data_dir / f"{name}.db")) as database:
        text = "\n".join(database.iterdump())
    assert "INSERT" in text
    return text


def _texts(document: Any, key: str = "") -> Iterator[str]:
    """Every text in a message, decoded, but for the payloads of inputs and results."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name not in ("input", "result"):
                yield name
                yield from _texts(value, name)
    elif isinstance(document, list):
        for one in document:
            yield from _texts(one, key)
    elif isinstance(document, str):
        yield document
        if key == "data":
            yield base64.b64decode(document).decode(errors="replace")
