"""Where `worker.py` and `starter.py` get things constructed and wired: services to databases, clients to servers."""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from activities.fraud import Fraud as FraudActivities
from activities.inventory import Inventory as InventoryActivities
from activities.orders import Orders as OrdersActivities
from activities.payments import Payments as PaymentsActivities
from activities.shipping import Shipping as ShippingActivities
from services.contracts import Contract, Money
from services.database import Database
from services.faults import BadSpec, Faults
from services.fraud.service import Fraud
from services.inventory.contracts import StockLine
from services.inventory.service import Inventory
from services.orders.contracts import Product
from services.orders.service import Orders
from services.payments.service import Payments
from services.payments.simulated_gateway import SimulatedGateway
from services.shipping.service import Shipping
from services.shipping.simulated_courier import SimulatedCourier
from settings import Settings, SettingsError, one_line
from workflows.contracts import ORDER_REASON, ORDER_STAGE, ORDER_STATUS

SEARCH_ATTRIBUTES = (ORDER_STATUS, ORDER_STAGE, ORDER_REASON)

_CONNECT_SECONDS = 10


class Unreachable(Exception):
    """A server that is needed does not answer; the text is one line that says what to do."""


async def connect(settings: Settings) -> Client:
    """Raises Unreachable."""
    config = settings.temporal()
    host, namespace = config["target_host"], config["namespace"]
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            client = await Client.connect(**config, data_converter=pydantic_data_converter)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Unreachable(
                f"the Temporal server at {host} has no namespace {namespace}; set TEMPORAL_NAMESPACE"
            ) from None
        if error.status is not RPCStatusCode.PERMISSION_DENIED:  # a key may be good for orders, and not for this
            raise Unreachable(f"the Temporal server at {host} did not answer: {one_line(error)[:200]}") from None
    except (RuntimeError, TimeoutError, ValueError) as error:
        said = re.findall(r'message: "([^"]+)"', str(error))
        why = f" ({said[-1]})" if said else ""
        raise Unreachable(
            f"cannot reach the Temporal server at {host}{why}; start one with 'make up', or set TEMPORAL_ADDRESS"
        ) from None
    return client


async def ensure_search_attributes(client: Client) -> None:
    """Make the search attributes that orders are found by, where they are not there yet. Raises Unreachable."""
    try:
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = [key.name for key in SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]
        if missing:
            keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
            request = AddSearchAttributesRequest(
                namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
            )
            await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            return  # another worker made them at this moment
        names = ", ".join(f"{key.name}=Keyword" for key in SEARCH_ATTRIBUTES)
        raise Unreachable(
            f"the search attributes {names} are not on the server and cannot be made from here "
            f"({one_line(error)[:200]}); make them with 'temporal operator search-attribute create'"
        ) from None


class Shop:
    """The services over their databases, each opened when it is first asked for, with faults at their boundary."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._databases: dict[str, Database] = {}
        self._services: dict[str, Any] = {}
        # On this machine, whatever the services use: faults are no service, and need no database server.
        url = f"sqlite:///{settings.data_dir.absolute()}/faults.db"
        try:
            self._faults = Faults(settings.faults, lambda: self._open("faults", url))
        except BadSpec as error:
            raise SettingsError(f"FAULTS: {error}") from None
        except (SQLAlchemyError, OSError) as error:
            raise unusable("faults", url, error) from None

    def service(self, name: str) -> Any:
        """A service behind its faults, as its port says. Raises SettingsError when its database cannot be opened."""
        open_service: dict[str, Callable[[], object]] = {
            "orders": self._orders,
            "fraud": self._fraud,
            "inventory": self._inventory,
            "payments": self._payments,
            "shipping": self._shipping,
        }
        if name not in self._services:
            try:
                self.database(name).migrate(name)
                self._services[name] = self._faults.around(name, open_service[name]())
            except (SQLAlchemyError, OSError) as error:
                raise unusable(name, self._settings.url_of(name), error) from None
        return self._services[name]

    def activities(self, name: str) -> Sequence[Callable[..., Any]]:
        """A service's activities. Raises SettingsError when its database cannot be opened."""
        activities, verbs = _ACTIVITIES[name]
        do = activities(self.service(name))
        return [getattr(do, verb) for verb in verbs]

    def database(self, name: str) -> Database:
        """The one of a service, a company, the bus, its consumers or a subscriber."""
        return self._open(name, self._settings.url_of(name))

    def close(self) -> None:
        for database in self._databases.values():
            database.close()

    def _open(self, name: str, url: str) -> Database:
        if name not in self._databases:
            self._databases[name] = Database(url, self._settings.database_connections)
        return self._databases[name]

    def _orders(self) -> Orders:
        orders = Orders(self.database("orders"))
        catalogue = self._settings.products()
        orders.offer(
            Product(
                sku=product.sku,
                name=product.name,
                unit_price=Money(amount=product.unit_price, currency=catalogue.currency),
            )
            for product in catalogue.products
        )
        return orders

    def _fraud(self) -> Fraud:
        return Fraud(self.database("fraud"), self._settings.fraud)

    def _inventory(self) -> Inventory:
        inventory = Inventory(self.database("inventory"))
        inventory.stock(
            StockLine(sku=product.sku, quantity=product.stock) for product in self._settings.products().products
        )
        return inventory

    def _payments(self) -> Payments:
        gateway = SimulatedGateway(self.database("gateway"))
        gateway.open()
        return Payments(self.database("payments"), self._faults.around("gateway", gateway))

    def _shipping(self) -> Shipping:
        courier = SimulatedCourier(self.database("courier"), timedelta(seconds=self._settings.courier_pickup))
        courier.open()
        return Shipping(self.database("shipping"), self._faults.around("courier", courier))


_ACTIVITIES: dict[str, tuple[Callable[[Any], object], tuple[str, ...]]] = {
    "orders": (OrdersActivities, ("create", "complete", "reject", "cancel", "flag")),
    "fraud": (FraudActivities, ("screen", "decide")),
    "inventory": (InventoryActivities, ("reserve", "release")),
    "payments": (PaymentsActivities, ("charge", "refund")),
    "shipping": (ShippingActivities, ("ship", "cancel")),
}


def unusable(name: str, url: str, error: Exception) -> SettingsError:
    shown = make_url(url).render_as_string()  # without its password
    return SettingsError(f"the database of {name}, {shown}, cannot be used: {one_line(error)[:300]}")


class Offer(Contract):
    """A product as a customer sees it, with the pieces that can be had."""

    sku: str
    name: str
    unit_price: Money
    on_hand: int


def read_catalogue(settings: Settings) -> list[Offer]:
    """What the orders and inventory services say of each product. Raises SettingsError when they cannot be read."""
    try:
        with (
            closing(Database(settings.url_of("orders"), for_reading=True)) as orders,
            closing(Database(settings.url_of("inventory"), for_reading=True)) as inventory,
        ):
            on_hand = Inventory(inventory).on_hand()
            return [
                Offer(**product.model_dump(), on_hand=on_hand.get(product.sku, 0))
                for product in Orders(orders).catalogue()
            ]
    except (SQLAlchemyError, OSError) as error:
        raise SettingsError(
            f"the catalogue cannot be read: {one_line(error)[:200]}; start a worker first ('make up')"
        ) from None
