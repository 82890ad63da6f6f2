"""Lines of the table, and what they stand on, each with one mistake: the checker must refuse every one.

Nothing runs this file. Under `warn_unused_ignores` mypy also fails where a line needs no `ignore`, or another one.
"""

import choreography.commands as commands
from choreography.events import OrderPlaced
from choreography.order_events import OrderEvents
from choreography.reaction import Reactions
from choreography.reactor import Reactor
from kernel.database import Storage
from kernel.service import Operation, undo
from services.inventory.contracts import InventoryPort, ReserveStock
from services.inventory.declaration import INVENTORY
from services.inventory.events import StockReleased, StockReserved
from services.orders.contracts import OrdersPort
from services.orders.declaration import ORDERS
from services.orders.events import OrderCreated
from services.payments.contracts import PaymentsPort
from services.payments.declaration import PAYMENTS
from services.payments.events import PaymentFailed

orders = Reactions(ORDERS)
inventory = Reactions(INVENTORY)
payments = Reactions(PAYMENTS)

# A misspelt verb.
payments.does(PaymentsPort.chagre, commands.charge, after=(OrderCreated,))  # type: ignore[attr-defined]
inventory.undoes(InventoryPort.relaese, because=PaymentFailed)  # type: ignore[attr-defined]

# A verb in quotes.
payments.does("charge", commands.charge, after=(OrderCreated,))  # type: ignore[arg-type]

# A command for another verb, of the same service and of another.
orders.does(OrdersPort.create, commands.complete, after=(OrderPlaced,))  # type: ignore[misc]
payments.does(PaymentsPort.charge, commands.reserve, after=(OrderCreated,))  # type: ignore[misc]

# What makes no command, or makes it of something else.
payments.does(PaymentsPort.charge, commands.undo, after=(OrderCreated,))  # type: ignore[arg-type, misc]
payments.does(PaymentsPort.charge, commands.charge(OrderCreated), after=(OrderCreated,))  # type: ignore[arg-type]

# Another service's verb.
inventory.does(PaymentsPort.charge, commands.charge, after=(OrderCreated,))  # type: ignore[arg-type]
inventory.undoes(PaymentsPort.refund, because=PaymentFailed)  # type: ignore[arg-type]

# A service that there is not.
Reactions("warehouse")  # type: ignore[arg-type]

# An option that there is not, and one that is missing.
payments.does(PaymentsPort.charge, commands.charge, after=(OrderCreated,), evry_time=True)  # type: ignore[call-arg]
inventory.undoes(InventoryPort.release, becuase=PaymentFailed)  # type: ignore[call-arg]
inventory.undoes(InventoryPort.release)  # type: ignore[call-arg]
payments.does(PaymentsPort.charge, commands.charge)  # type: ignore[call-arg]

# What is no event, or only one where there may be several.
payments.does(PaymentsPort.charge, commands.charge, after=("OrderCreated",))  # type: ignore[arg-type]
payments.does(PaymentsPort.charge, commands.charge, after=OrderCreated)  # type: ignore[arg-type]
inventory.undoes(InventoryPort.release, because=ORDERS)  # type: ignore[arg-type]

# A condition that does not ask about the order's events.
payments.does(PaymentsPort.charge, commands.charge, after=(OrderCreated,), when=len)  # type: ignore[arg-type]

# A step in an undo's place.
inventory.undoes(InventoryPort.reserve, because=PaymentFailed)  # type: ignore[arg-type]

# An undo of a step that there is not, and of another service's step.
UNDO_OF_NOTHING: Operation[InventoryPort] = undo(
    InventoryPort.release,
    of=InventoryPort.resreve,  # type: ignore[attr-defined]
    publishes=(StockReleased,),
)
UNDO_OF_ANOTHERS: Operation[InventoryPort] = undo(
    InventoryPort.release,
    of=PaymentsPort.charge,  # type: ignore[arg-type]
    publishes=(StockReleased,),
)


# A command with a field too few, and an event that does not say what is asked of it.
def without_lines(events: OrderEvents) -> object:
    return ReserveStock(**events.request)  # type: ignore[call-arg]


def total_of_another_event(events: OrderEvents) -> object:
    return events.first(StockReserved).total  # type: ignore[attr-defined]


# A port that is not the service's.
def reactor(port: PaymentsPort, database: Storage) -> object:
    return Reactor(INVENTORY, port, database, 1.0, 1.0, ())  # type: ignore[misc]
