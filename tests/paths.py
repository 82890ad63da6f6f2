"""One order for each way that a saga can end: what the committed histories were recorded from."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowFailureError

from client.contracts import Resolution, ResolveBy, Review
from client.order import Order, OrderLine
from kernel.contracts import Policy, Steps
from services.fraud.contracts import Decision
from tests.shop import POLICY, ShopUnderTest, sample_order, step_is, undeliverable

Path = Callable[[ShopUnderTest], Awaitable[Order]]

_SUSPICIOUS: dict[str, Any] = {"lines": (OrderLine(sku="espresso-machine", quantity=1),)}
_IMPATIENT = POLICY.model_copy(update={"step_deadline": 1.0, "undo_deadline": 1.0, "review_deadline": 1.0})


def _runs(name: str = "order", policy: Policy = POLICY, **changes: Any) -> Path:
    async def path(shop: ShopUnderTest) -> Order:
        order = sample_order(name, **changes)
        await shop.run(order, policy)
        return order

    return path


def _slow(shop: ShopUnderTest, step: str) -> str:
    """The name of an order that can be seen at this step: in place, it takes too long there."""
    return f"slow-{step}" if shop.settings.steps is Steps.QUEUE else f"slower-{step}"


def _reviewed(decision: Decision) -> Path:
    async def path(shop: ShopUnderTest) -> Order:
        order = sample_order(**_SUSPICIOUS)
        await shop.run(order)
        await shop.saga().review(order.order_id, Review(decision=decision, note="seen"))
        await shop.handle(order).result()
        return order

    return path


async def _review_timed_out(shop: ShopUnderTest) -> Order:
    order = sample_order(**_SUSPICIOUS)
    await shop.saga(_IMPATIENT).place(order)
    await shop.handle(order).result()
    return order


async def _cancelled_by_the_customer(shop: ShopUnderTest) -> Order:
    order = sample_order(_slow(shop, "shipping.ship"))
    await shop.saga().place(order)
    await shop.until(order, step_is("shipping.ship", "running"))
    await shop.saga().cancel(order.order_id, "changed my mind")
    await shop.handle(order).result()
    return order


async def _cancelled_in_an_outage(shop: ShopUnderTest) -> Order:
    order = sample_order("down-payments.charge")
    await shop.saga().place(order)
    await shop.until(order, step_is("payments.charge", "running"))
    await shop.saga().cancel(order.order_id, "")
    await shop.handle(order).result()
    return order


async def _cancelled_through_temporal(shop: ShopUnderTest) -> Order:
    order = sample_order(_slow(shop, "payments.charge"))
    await shop.saga().place(order)
    await shop.until(order, step_is("payments.charge", "running"))
    await shop.handle(order).cancel()
    try:
        await shop.handle(order).result()
    except WorkflowFailureError:
        return order
    raise AssertionError("the workflow was not cancelled")


def _resolved(name: str, *decisions: ResolveBy, **changes: Any) -> Path:
    async def path(shop: ShopUnderTest) -> Order:
        order = sample_order(name, **changes)
        await shop.run(order)
        for decision in decisions:
            await shop.saga().resolve(order.order_id, Resolution(decision=decision, note="by an operator"))
            await shop.saga().outcome(order.order_id)
        await shop.handle(order).result()
        return order

    return path


PATHS: dict[str, Path] = {
    "completed": _runs(),
    "completed-after-an-outage": _runs("down-twice-orders.create"),
    "completed-after-a-lost-reply": _runs("lost-payments.charge"),
    "completed-after-review": _reviewed(Decision.APPROVE),
    "completed-after-attention": _resolved("refused-orders.complete", ResolveBy.RETRY),
    "rejected-unknown-sku": _runs(lines=(OrderLine(sku="unicorn", quantity=1),)),
    "rejected-fraud-confirmed": _runs(lines=(OrderLine(sku="roaster", quantity=1),)),
    "rejected-in-review": _reviewed(Decision.DECLINE),
    "rejected-review-timed-out": _review_timed_out,
    "rejected-out-of-stock": _runs(lines=(OrderLine(sku="sold-out-scale", quantity=1),)),
    "rejected-payment-declined": _runs(payment_token="tok_chargeDeclined"),
    "rejected-undeliverable": _runs(**undeliverable()),
    "rejected-outage": _runs("down-shipping.ship", _IMPATIENT),
    "rejected-after-retry": _resolved("refused-payments.refund", ResolveBy.RETRY, **undeliverable()),
    "rejected-settled-by-hand": _resolved(
        "refused-always-payments.refund", ResolveBy.RETRY, ResolveBy.RESOLVED, **undeliverable()
    ),
    "cancelled-by-the-customer": _cancelled_by_the_customer,
    "cancelled-in-an-outage": _cancelled_in_an_outage,
    "cancelled-through-temporal": _cancelled_through_temporal,
}
