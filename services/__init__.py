"""The five services of an order. None of them depends on Temporal, the bus, or another service."""

from typing import Any

from kernel.service import Service
from services.fraud.declaration import FRAUD
from services.inventory.declaration import INVENTORY
from services.orders.declaration import ORDERS
from services.payments.declaration import PAYMENTS
from services.shipping.declaration import SHIPPING

# To add a service, add its folder and a line here; whatever needs all services reads this list.
SERVICES: tuple[Service[Any], ...] = (ORDERS, FRAUD, INVENTORY, PAYMENTS, SHIPPING)
