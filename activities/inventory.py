from temporalio import activity

from services.contracts import Undo, Undone
from services.inventory.contracts import InventoryPort, Reserved, ReserveStock


class Inventory:
    def __init__(self, service: InventoryPort) -> None:
        self._service = service

    @activity.defn(name="inventory.reserve")
    def reserve(self, command: ReserveStock) -> Reserved:
        return self._service.reserve(command)

    @activity.defn(name="inventory.release")
    def release(self, command: Undo) -> Undone:
        return self._service.release(command)
