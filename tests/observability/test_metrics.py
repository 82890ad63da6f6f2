"""`/metrics`: what happened in this process, how things stand, and nothing of anybody."""

import re

import pytest

from client.contracts import Resolution, ResolveBy
from kernel.contracts import Style
from services.orders.contracts import OrderStatus
from tests.observability.observed import ObservedShop
from tests.shop import sample_order, undeliverable

OUR_LABELS = {
    "step",
    "style",
    "outcome",
    "refusal",
    "status",
    "service",
    "consumer",
    "endpoint",
    "kind",
    "source",
    "le",
}


@pytest.mark.parametrize("style", Style)
async def test_attempts_retries_and_refusals_of_each_step_are_counted(shop: ObservedShop, style: Style) -> None:
    of_style = shop.orchestrated if style is Style.ORCHESTRATION else shop.choreographed
    before = await shop.port.metrics()
    await of_style.run(sample_order("down-twice-inventory.reserve"))
    declined = await of_style.run(sample_order(payment_token="tok_chargeDeclined"))
    assert declined.status is OrderStatus.REJECTED
    after = await shop.port.metrics()

    def more(name: str, **labels: str) -> float:
        key = (f"order_saga_{name}", frozenset((labels | {"style": style.value}).items()))
        return after.get(key, 0) - before.get(key, 0)

    assert more("step_retries_total", step="inventory.reserve") == 2
    assert more("step_seconds_count", step="inventory.reserve", outcome="failed") == 2
    assert more("step_seconds_count", step="inventory.reserve", outcome="done") == 2
    assert more("step_refusals_total", step="payments.charge", refusal="PaymentDeclined") == 1
    assert more("step_seconds_count", step="shipping.ship", outcome="done") == 1
    assert more("orders", status="completed") >= 1  # those of other tests may end meanwhile
    assert more("orders", status="rejected") >= 1


async def test_an_undo_that_fails_is_counted(shop: ObservedShop) -> None:
    order = sample_order("refused-payments.refund", **undeliverable())
    await shop.orchestrated.run(order)
    labels = {"step": "payments.refund", "style": "orchestration"}
    assert await shop.port.value("order_saga_failed_undos_total", **labels) or 0 >= 1
    assert await shop.port.value("order_saga_orders", status="needs-attention", style="orchestration") == 1
    await shop.orchestrated.saga().resolve(order.order_id, Resolution(decision=ResolveBy.RETRY))
    await shop.orchestrated.saga().outcome(order.order_id)


async def test_the_sdks_own_metrics_are_on_the_same_port(shop: ObservedShop) -> None:
    await shop.orchestrated.run(sample_order())
    assert await shop.port.value("temporal_workflow_completed_total", namespace="observed") or 0 > 0
    assert await shop.port.value("temporal_activity_execution_latency_seconds_count") or 0 > 0
    assert await shop.port.value("order_saga_unreadable") == 0
    assert await shop.port.value("process_resident_memory_bytes") or 0 > 0


async def test_no_label_says_anything_of_an_order_or_a_person(shop: ObservedShop) -> None:
    orders = [sample_order("labelled-order", customer_id="labelled-customer") for _ in range(2)]
    await shop.orchestrated.run(orders[0])
    await shop.choreographed.run(orders[1])
    _, text = await shop.port.get("/metrics")
    private = ["labelled", "tok_", "10115", "Berlin", orders[0].ship_to.street]
    assert [word for word in private if word in text] == []
    ours = re.findall(r"^order_saga_\w+\{(.*)\} \S+$", text, re.MULTILINE)
    assert {name for labels in ours for name in re.findall(r'(\w+)="', labels)} <= OUR_LABELS


async def test_every_metric_has_a_help_and_one_type(shop: ObservedShop) -> None:
    _, text = await shop.port.get("/metrics")
    types = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(types) == len(set(types))
    ours = {name for name in types if name.startswith("order_saga_")}
    assert ours <= set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))


async def test_what_is_not_there_says_what_is(shop: ObservedShop) -> None:
    assert await shop.port.get("/") == (404, "there is: /metrics, /healthz, /readyz\n")
