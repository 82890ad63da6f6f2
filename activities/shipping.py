"""The shipping service's activities."""

from temporalio import activity

from activities import ServiceActivities
from kernel.contracts import Undo, Undone
from services.shipping.contracts import Booked, ShipOrder, ShippingPort
from services.shipping.declaration import SHIPPING


class Shipping(ServiceActivities[ShippingPort]):
    declaration = SHIPPING

    @activity.defn(name="shipping.ship", no_thread_cancel_exception=True)
    def ship(self, command: ShipOrder) -> Booked:
        return self._service.ship(command)

    @activity.defn(name="shipping.cancel", no_thread_cancel_exception=True)
    def cancel(self, command: Undo) -> Undone:
        return self._service.cancel(command)

    @activity.defn(name="shipping.withdraw", no_thread_cancel_exception=True)
    def withdraw(self, command: Undo) -> Undone:
        return self._service.withdraw(command)
