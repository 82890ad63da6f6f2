"""The project's services as steps of a DBOS workflow, on SQLite, for comparison.

DBOS keeps the workflow in a database in place of a server. Its workflow has the good case only: no undo, no hold for a
person, no cancel, so it does less than ours.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetWorkflowID

import workflows.commands as commands
from kernel.money import Money
from lab.bench.flows import ORDER_LINES, WrongOrders
from lab.bench.measure import Flow
from lab.sample import sample_order
from services.fraud.contracts import Verdict
from services.fraud.declaration import FRAUD
from services.inventory.declaration import INVENTORY
from services.orders.declaration import ORDERS
from services.payments.declaration import PAYMENTS
from services.shipping.declaration import SHIPPING
from wiring.services import Services
from workflows.contracts import OrderInput, PlaceOrder


class _Opened:
    """The services that the registered steps use: DBOS registers functions once in a process."""

    services: Services


@DBOS.step(name="orders.create")
def _create(place: str) -> str:
    return _Opened.services.open(ORDERS).create(commands.create(_placed(place))).total.model_dump_json()


@DBOS.step(name="fraud.screen")
def _screen(place: str, total: str) -> bool:
    screened = _Opened.services.open(FRAUD).screen(commands.screen(_placed(place).order, _money(total)))
    return screened.verdict is Verdict.CLEAR


@DBOS.step(name="inventory.reserve")
def _reserve(place: str) -> None:
    _Opened.services.open(INVENTORY).reserve(commands.reserve(_placed(place).order))


@DBOS.step(name="payments.charge")
def _charge(place: str, total: str) -> None:
    _Opened.services.open(PAYMENTS).charge(commands.charge(_placed(place).order, _money(total)))


@DBOS.step(name="shipping.ship")
def _ship(place: str) -> str:
    return _Opened.services.open(SHIPPING).ship(commands.ship(_placed(place).order)).tracking_number


@DBOS.step(name="orders.complete")
def _complete(place: str) -> None:
    _Opened.services.open(ORDERS).complete(commands.complete(_placed(place).order))


@DBOS.workflow(name="order")
def _order(place: str) -> str:
    total = _create(place)
    if not _screen(place, total):
        raise WrongOrders("a possible fraud")
    _reserve(place)
    _charge(place, total)
    tracking_number: str = _ship(place)
    _complete(place)
    return tracking_number


def _placed(text: str) -> PlaceOrder:
    return PlaceOrder.model_validate_json(text)


def _money(text: str) -> Money:
    return Money.model_validate_json(text)


@asynccontextmanager
async def dbos_orders(services: Services, folder: Path) -> AsyncIterator[Flow]:
    """Run DBOS in this process. Yields the flow of one order."""
    _Opened.services = services
    logging.getLogger("dbos").setLevel(logging.WARNING)
    config: DBOSConfig = {
        "name": "order-saga-bench",
        "system_database_url": f"sqlite:///{folder}/dbos.db",
        "run_admin_server": False,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    await asyncio.to_thread(DBOS.launch)

    def run() -> str:
        order = sample_order(f"bench-{uuid.uuid4().hex}", *ORDER_LINES)
        place = PlaceOrder(order=OrderInput.of(order)).model_dump_json()
        with SetWorkflowID(order.order_id):
            handle = DBOS.start_workflow(_order, place)
        if not handle.get_result():
            raise WrongOrders(f"order {order.order_id} has no parcel")
        return order.order_id

    async def flow() -> str:
        return await asyncio.to_thread(run)

    try:
        yield flow
    finally:
        await asyncio.to_thread(DBOS.destroy)
