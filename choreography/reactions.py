"""The whole event-driven saga as one table: once a service has received these events of an order, it does that.

It is the same saga as `workflows/order_saga.py`, in one line for each reaction. To follow an order, find the line that
waits for the event that the line before publishes. `services/<name>/declaration.py` lists the events that an operation
publishes when it succeeds or refuses.
"""

import choreography.commands as commands
from choreography.events import (
    AttentionNeeded,
    AttentionSettled,
    CancelRequested,
    OrderPlaced,
    OrderStalled,
    ReviewDecided,
)
from choreography.reaction import Reactions, Table
from services.fraud.contracts import FraudPort
from services.fraud.declaration import FRAUD
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud
from services.inventory.contracts import InventoryPort
from services.inventory.declaration import INVENTORY
from services.inventory.events import OutOfStock, StockReleased, StockReserved
from services.orders.contracts import OrdersPort
from services.orders.declaration import ORDERS
from services.orders.events import OrderCreated
from services.payments.contracts import PaymentsPort
from services.payments.declaration import PAYMENTS
from services.payments.events import PaymentFailed, PaymentProcessed, PaymentRefunded
from services.shipping.contracts import ShippingPort
from services.shipping.declaration import SHIPPING
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed

orders = Reactions(ORDERS)
fraud = Reactions(FRAUD)
inventory = Reactions(INVENTORY)
payments = Reactions(PAYMENTS)
shipping = Reactions(SHIPPING)

# Shipping waits for both.
CLEARED_AND_PAID = (NoFraudDetected, PaymentProcessed)

# What services publish once they have undone what they did for an order.
UNDONE = (StockReleased, PaymentRefunded)
ALL_UNDONE = (*UNDONE, ShipmentCancelled)

# fmt: off
REACTIONS: Table = (
    # The order goes well.
    orders.does(OrdersPort.create, commands.create, after=(OrderPlaced,)),
    fraud.does(FraudPort.screen, commands.screen, after=(OrderCreated,)),
    inventory.does(InventoryPort.reserve, commands.reserve, after=(OrderCreated,)),
    payments.does(PaymentsPort.charge, commands.charge, after=(OrderCreated, StockReserved)),
    fraud.does(FraudPort.decide, commands.decide, after=(PossibleFraud, ReviewDecided)),
    shipping.does(ShippingPort.ship, commands.ship, after=(OrderCreated, *CLEARED_AND_PAID)),
    orders.does(OrdersPort.complete, commands.complete, after=(Shipped,)),

    # A service refuses, and the others undo what they did for the order.
    inventory.undoes(InventoryPort.release, because=PaymentFailed),
    inventory.undoes(InventoryPort.release, because=ShippingFailed),
    inventory.undoes(InventoryPort.release, because=FraudConfirmed),
    payments.undoes(PaymentsPort.refund, because=ShippingFailed),
    payments.undoes(PaymentsPort.refund, because=FraudConfirmed),

    # The customer cancels, or the order stalls. Shipping goes first: it knows whether the order is past the pivot.
    shipping.undoes(ShippingPort.withdraw, because=CancelRequested),
    shipping.undoes(ShippingPort.withdraw, because=OrderStalled),
    payments.undoes(PaymentsPort.refund, because=ShipmentCancelled),
    inventory.undoes(InventoryPort.release, because=ShipmentCancelled),

    # The order ends once everything is undone.
    orders.undoes(OrdersPort.reject, because=OutOfStock),
    orders.undoes(OrdersPort.reject, because=PaymentFailed, after=(StockReleased,)),
    orders.undoes(OrdersPort.reject, because=ShippingFailed, after=UNDONE),
    orders.undoes(OrdersPort.reject, because=FraudConfirmed, after=UNDONE),
    orders.undoes(OrdersPort.cancel, because=CancelRequested, after=ALL_UNDONE),
    orders.undoes(OrdersPort.reject, because=OrderStalled, after=ALL_UNDONE),

    # What fails for good waits for an operator.
    orders.does(OrdersPort.flag, commands.flag, after=(AttentionNeeded,)),
    orders.does(OrdersPort.flag, commands.flag, after=(AttentionSettled,)),
)
# fmt: on
