"""Mistakes that the type checker must refuse, one a line. Nothing here is ever run.

mypy warns of every ignored error that is none, so `make check` fails as soon as it lets one of these pass.
"""

from temporalio.client import Client, WorkflowHandle

import workflows.commands as commands
from activities import activities_of
from activities.fraud import Fraud
from activities.inventory import Inventory
from activities.orders import Orders
from activities.payments import Payments
from activities.shipping import Shipping
from client.contracts import OrderState, Resolution, Review
from client.order import Order
from client.records import OrderRecords
from kernel.contracts import Policy
from kernel.money import Money
from services.inventory.contracts import InventoryPort
from services.inventory.declaration import INVENTORY
from services.payments.contracts import ChargeCard, PaymentsPort
from workflows.client import OrchestrationClient
from workflows.contracts import CancelRequest, PlaceOrder
from workflows.order_saga import OrderSaga
from workflows.saga import Saga


async def wrong_steps(saga: Saga, place: PlaceOrder, total: Money, review: Review) -> None:
    order = place.order
    on_payments, on_shipping = saga.on(Payments), saga.on(Shipping)
    # An undo of another service.
    on_payments.step(Payments.charge, undo=Inventory.release)  # type: ignore[arg-type]
    saga.on(Orders).step(Orders.create, on_cancel=Shipping.cancel)  # type: ignore[arg-type]
    # An undo that is a step.
    on_payments.step(Payments.charge, undo=Payments.charge)  # type: ignore[arg-type]
    # An undo that does not exist.
    on_payments.step(Payments.charge, undo=Payments.release)  # type: ignore[attr-defined]
    # A step, or what prevents it, of another service.
    saga.on(Orders).past_pivot(Orders.complete, prevent=Shipping.withdraw)  # type: ignore[arg-type]
    on_payments.step(Shipping.ship)  # type: ignore[arg-type]
    # A command for another verb.
    await on_payments.step(Payments.charge, undo=Payments.refund)(commands.reserve(order))  # type: ignore[arg-type]
    await saga.on(Fraud).step(Fraud.decide)(commands.screen(order, total))  # type: ignore[arg-type]
    await saga.on(Orders).forward(Orders.complete, commands.create(place))  # type: ignore[arg-type]
    saga.on(Orders).notify(Orders.flag, commands.complete(order))  # type: ignore[arg-type]
    # A misspelt verb.
    on_shipping.step(Shipping.shipp, undo=Shipping.cancel)  # type: ignore[attr-defined]
    # A misspelt command.
    await on_shipping.step(Shipping.ship, undo=Shipping.cancel)(commands.send(order))  # type: ignore[attr-defined]
    # An option that there is not.
    on_shipping.step(Shipping.ship, undone_by=Shipping.cancel)  # type: ignore[call-arg]
    # A reply taken for another's.
    (await on_shipping.step(Shipping.ship)(commands.ship(order))).total  # type: ignore[attr-defined] # noqa: B018
    # What a command is made of, for another of its fields.
    ChargeCard(key="", order_id="", amount=total.amount, payment_token="")  # type: ignore[arg-type]
    # A service in place of its activities.
    saga.on(InventoryPort).step(Inventory.reserve)  # type: ignore[arg-type]


async def wrong_updates(handle: WorkflowHandle[OrderSaga, OrderState], review: Review, resolution: Resolution) -> None:
    # An update, a query by a name that there is not.
    await handle.execute_update(OrderSaga.cancle, CancelRequest())  # type: ignore[attr-defined]
    await handle.query(OrderSaga.status)  # type: ignore[attr-defined]
    # What is no update, and no query.
    await handle.execute_update(OrderSaga.state)  # type: ignore[call-overload]
    await handle.query(OrderSaga.cancel)  # type: ignore[arg-type]
    # Another update's payload, or none.
    await handle.execute_update(OrderSaga.cancel, review)  # type: ignore[arg-type]
    await handle.execute_update(OrderSaga.resolve, review)  # type: ignore[arg-type]
    await handle.execute_update(OrderSaga.review)  # type: ignore[arg-type]


async def wrong_starts(client: Client, order: Order, policy: Policy, records: OrderRecords) -> None:
    # Another input than the saga's.
    await client.start_workflow(OrderSaga.run, order, id="", task_queue="")  # type: ignore[misc]
    # The customer's order in place of the saga's.
    PlaceOrder(order=order)  # type: ignore[arg-type]
    # A client that is made of something else.
    OrchestrationClient(client, client, policy, records)  # type: ignore[arg-type]
    # Another word of an operator's.
    await OrchestrationClient(client, policy, str, records).review("", CancelRequest())  # type: ignore[arg-type]


def wrong_activities(inventory: InventoryPort, payments: PaymentsPort) -> None:
    # Another service behind the activities.
    Payments(inventory)  # type: ignore[arg-type]
    # The activities of one service for another.
    activities_of(INVENTORY, payments)  # type: ignore[misc]

    # A declaration that is another service's.
    class _OtherActivities(Payments):
        declaration = INVENTORY  # type: ignore[assignment]
