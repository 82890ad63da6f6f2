"""The rules of shipping: one parcel for each order, which can be called back until the courier has collected it.

The courier is called before the transaction, not in it, as the card processor is.
"""

from sqlalchemy import Connection, insert, select, update

from kernel.contracts import Undo, Undone
from kernel.database import Database
from kernel.errors import CannotUndo
from kernel.operations import Clock, Operations, system_clock
from kernel.providers import asking
from services.shipping.contracts import (
    AddressNotServed,
    AlreadyCollected,
    Booked,
    Courier,
    ShipOrder,
    Undeliverable,
)
from services.shipping.events import ShipmentCancelled, Shipped, ShippingFailed
from services.shipping.tables import shipments

BOOKED, CANCELLED = "booked", "cancelled"


class Shipping:
    def __init__(self, database: Database, courier: Courier, clock: Clock = system_clock) -> None:
        self._operations = Operations(database, clock)
        self._database = database
        self._courier = courier

    def ship(self, command: ShipOrder) -> Booked:
        """Book the parcel with the courier. Raises Undeliverable."""

        def ask() -> str:
            try:
                with asking("the courier", AddressNotServed):
                    return self._courier.book(command.key, command.ship_to)
            except AddressNotServed as not_served:
                raise Undeliverable(not_served.why.format(country=command.ship_to.country)) from None

        def effect(tx: Connection, tracking_number: str) -> tuple[Booked, Shipped]:
            row = {"order_id": command.order_id, "tracking_number": tracking_number, "status": BOOKED}
            tx.execute(insert(shipments), row)
            shipped = Shipped(tracking_number=tracking_number, country=command.ship_to.country)
            return Booked(tracking_number=tracking_number), shipped

        return self._operations.ask_then_do(command, Booked, ask, effect, refused=ShippingFailed)

    def cancel(self, command: Undo) -> Undone:
        """Call the parcel back. Raises CannotUndo once the courier has collected it."""
        try:
            with asking("the courier", AlreadyCollected):
                self._courier.cancel(command.key)
        except AlreadyCollected:
            raise CannotUndo(f"the courier has {self._parcel_of(command.order_id)} already") from None

        def effect(tx: Connection) -> ShipmentCancelled:
            of_order = shipments.c.order_id == command.order_id
            tx.execute(update(shipments).where(of_order).values(status=CANCELLED))
            return ShipmentCancelled(had_effect=True, reason=command.reason)

        nothing = ShipmentCancelled(had_effect=False, reason=command.reason)
        return self._operations.undo(command, effect, otherwise=nothing)

    def _parcel_of(self, order_id: str) -> str:
        with self._database.begin() as tx:
            number = tx.scalar(select(shipments.c.tracking_number).where(shipments.c.order_id == order_id))
        return f"parcel {number}" if number else "the parcel"

    def withdraw(self, command: Undo) -> Undone:
        """Prevent the shipment. Raises TooLate if it took place: then the order only goes forward."""
        self._operations.forbid(command)
        return self.cancel(command)
