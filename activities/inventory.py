"""The inventory service's activities."""

from temporalio import activity

from activities import ServiceActivities
from kernel.contracts import Undo, Undone
from services.inventory.contracts import InventoryPort, Reserved, ReserveStock
from services.inventory.declaration import INVENTORY


class Inventory(ServiceActivities[InventoryPort]):
    declaration = INVENTORY

    @activity.defn(name="inventory.reserve", no_thread_cancel_exception=True)
    def reserve(self, command: ReserveStock) -> Reserved:
        return self._service.reserve(command)

    @activity.defn(name="inventory.release", no_thread_cancel_exception=True)
    def release(self, command: Undo) -> Undone:
        return self._service.release(command)
