"""An order is three models: the customer's, the saga's input, an event's content. One gains an optional field here."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter

from choreography.events import OrderContent, OrderPlaced
from client import order as customers
from client.errors import DifferentContent
from client.order import Order
from kernel.contracts import Contract, Policy
from lab.settings import LabSettings
from services.orders.contracts import Address, OrderLine
from tests.choreographed import clients_of
from tests.releases.record import RELEASES
from tests.shop import ShopUnderTest, sample_order
from workflows.contracts import OrderInput, PlaceOrder

_converter = pydantic_data_converter.payload_converter


class NewOrder(Order):
    gift: bool = False


class NewInput(OrderInput):
    gift: bool = False


class NewPlaceOrder(PlaceOrder):
    order: NewInput


class NewContent(OrderContent):
    gift: bool = False


class NewOrderPlaced(OrderPlaced):
    order: NewContent


class PlaceOrderOf01(Contract):
    """What a worker of release 0.1 reads: the customer's order, and nothing beside it."""

    order: Order
    policy: Policy = Policy()


def new(order: Order, *, gift: bool = False) -> NewOrder:
    return NewOrder(gift=gift, **dict(order))


def on_the_wire(place: PlaceOrder) -> Payload:
    payload: Payload = _converter.to_payload(place)
    return payload


def fields(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields)


# The workflow's input.


def test_a_new_starter_starts_orders_of_old_workers_that_would_refuse_the_field() -> None:
    order = sample_order()
    payload = on_the_wire(NewPlaceOrder(order=NewInput.of(new(order))))
    assert _converter.from_payload(payload, PlaceOrderOf01) == PlaceOrderOf01(order=order)
    assert payload == on_the_wire(PlaceOrder(order=OrderInput.of(order)))


def test_a_worker_ignores_the_field_that_a_newer_starter_uses() -> None:
    order = sample_order()
    payload = on_the_wire(NewPlaceOrder(order=NewInput.of(new(order, gift=True))))
    assert _converter.from_payload(payload, NewPlaceOrder).order.gift
    assert _converter.from_payload(payload, PlaceOrder).order == OrderInput.of(order)


# The event's content.


def test_an_old_event_is_read_by_new_code_and_a_new_one_by_old_code() -> None:
    order = sample_order()
    old = OrderPlaced(order=OrderContent.model_validate(order.content()))
    read = NewOrderPlaced.model_validate_json(old.model_dump_json())
    assert not read.order.gift
    used = NewOrderPlaced(order=NewContent.model_validate(new(order, gift=True).content()))
    assert OrderPlaced.model_validate_json(used.model_dump_json()) == old


def test_lines_and_addresses_may_gain_a_field_too() -> None:
    content = json.loads(sample_order().model_dump_json())
    newer = json.loads(json.dumps(content).replace('"quantity":', '"engraving": "A", "quantity":'))
    newer["ship_to"]["floor"] = 3
    for model in (OrderInput, OrderContent):
        assert model.model_validate(newer) == model.model_validate(content)
    with pytest.raises(ValidationError, match="engraving"):
        Order.model_validate(newer)


# The same order again.


async def test_an_order_placed_again_by_a_newer_client_is_the_same_unless_it_uses_the_field(
    shop: ShopUnderTest, tmp_path: Path
) -> None:
    async with clients_of(LabSettings(data_dir=tmp_path)) as choreographed:
        for client in (shop.saga(), choreographed.client):
            order = sample_order()
            await client.place(order)
            await client.place(new(order))
            with pytest.raises(DifferentContent):
                await client.place(new(order, gift=True))

            order = sample_order()
            await client.place(new(order))
            await client.place(order)


@pytest.mark.parametrize("file", sorted(RELEASES.glob("*/histories/*.json")), ids=lambda file: file.stem)
def test_the_digest_of_an_order_is_what_each_release_has_written(file: Path) -> None:
    started = json.loads(file.read_text())["events"][0]["workflowExecutionStartedEventAttributes"]
    [given] = started["input"]["payloads"]
    order = Order.model_validate(json.loads(base64.b64decode(given["data"]))["order"])
    assert order.digest() == json.loads(base64.b64decode(started["memo"]["fields"]["content"]["data"]))
    assert new(order).digest() == order.digest() != new(order, gift=True).digest()
    assert order.digest() == hashlib.sha256(order.model_dump_json().encode()).hexdigest()


def test_all_that_a_customer_can_send_gets_to_the_saga_and_into_the_event() -> None:
    """A field that is in one of the three only would be dropped without a word."""
    assert fields(Order) == fields(OrderInput) == fields(OrderContent)
    assert fields(customers.OrderLine) == fields(OrderLine)
    assert fields(customers.Address) == fields(Address)
