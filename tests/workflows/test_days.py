"""Where days pass: on the time-skipping test server, whose clock jumps ahead while a workflow waits."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from client.contracts import OrderState, Resolution, ResolveBy, Stage
from client.order import Order, OrderLine
from kernel.contracts import Policy
from lab.settings import LabSettings
from services.orders.contracts import OrderStatus
from tests.conftest import FAULTS
from tests.shop import ShopUnderTest, sample_order, step_is, undeliverable, worker_running
from wiring.temporal import SEARCH_ATTRIBUTES

A_DAY = timedelta(days=1).total_seconds()
AN_HOUR = timedelta(hours=1).total_seconds()
POLICY = Policy(step_deadline=AN_HOUR / 4, undo_deadline=AN_HOUR, review_deadline=A_DAY)
SUSPICIOUS: dict[str, Any] = {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}


@dataclass(frozen=True)
class Days:
    shop: ShopUnderTest
    environment: WorkflowEnvironment

    async def pass_by(self, order: Order, duration: timedelta) -> OrderState:
        """Let time pass, and then until the order has ended or waits for a person."""
        await self.environment.sleep(duration)
        return (await self.shop.saga().outcome(order.order_id)).state


@pytest.fixture(scope="module")
async def days(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Days]:
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter,
        test_server_existing_path=str(Path(sys.executable).with_name("temporal-test-server")),
    ) as environment:
        settings = LabSettings(data_dir=tmp_path_factory.mktemp("days"), faults=FAULTS)
        # This server can make search attributes, but not list them.
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        attributes = {key.name: keyword for key in SEARCH_ATTRIBUTES}
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=attributes)
        )
        async with worker_running(environment.client, settings):
            yield Days(ShopUnderTest(settings, environment.client), environment)


async def test_an_order_that_nobody_reviews_is_declined_after_its_deadline(days: Days) -> None:
    order = sample_order(**SUSPICIOUS)
    state = await days.shop.run(order, POLICY)
    assert state.stage is Stage.REVIEW
    state = await days.pass_by(order, timedelta(hours=23))
    assert state.stage is Stage.REVIEW
    state = await days.pass_by(order, timedelta(hours=2))
    assert state.status is OrderStatus.REJECTED
    assert state.reason == "FraudConfirmed: declined in review: nobody decided within 1 day, 0:00:00"
    assert days.shop.books(order).held == {}
    assert days.shop.violations(order) == []


@pytest.mark.parametrize("step", ["inventory.reserve", "payments.charge"])
async def test_an_outage_is_ridden_out_until_the_steps_deadline(days: Days, step: str) -> None:
    order = sample_order(f"down-{step}")
    await days.shop.saga(POLICY).place(order)
    await days.shop.until(order, step_is(step, "running"))
    await days.environment.sleep(timedelta(minutes=14))
    assert step_is(step, "running")(await days.shop.state(order))
    state = await days.pass_by(order, timedelta(minutes=2))
    assert state.status is OrderStatus.REJECTED
    assert state.reason.startswith(f"Outage: no answer from {step} in time")
    assert days.shop.violations(order) == []


async def test_an_undo_is_retried_for_its_whole_deadline_before_a_person_is_asked(days: Days) -> None:
    order = sample_order("down-payments.refund", **undeliverable())
    await days.shop.saga(POLICY).place(order)
    await days.shop.until(order, step_is("payments.refund", "running"))
    state = await days.pass_by(order, timedelta(minutes=65))
    assert state.stage is Stage.ATTENTION
    assert "Outage: no answer from payments.refund in time" in state.problems[0]
    assert days.shop.books(order).held == {}
    await days.shop.saga().resolve(order.order_id, Resolution(decision=ResolveBy.RESOLVED, note="by bank transfer"))
    assert (await days.shop.saga().outcome(order.order_id)).state.status is OrderStatus.REJECTED
