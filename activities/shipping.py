from temporalio import activity

from services.contracts import Undo, Undone
from services.shipping.contracts import Booked, ShipOrder, ShippingPort


class Shipping:
    def __init__(self, service: ShippingPort) -> None:
        self._service = service

    @activity.defn(name="shipping.ship")
    def ship(self, command: ShipOrder) -> Booked:
        return self._service.ship(command)

    @activity.defn(name="shipping.cancel")
    def cancel(self, command: Undo) -> Undone:
        return self._service.cancel(command)
