"""The books of shipping, compared with the courier's records."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import select

from kernel.books import Books, Finding, OrderRecord, effects, orders_on_record, otherwise_published, published
from kernel.database import Database
from kernel.keys import Key
from services.shipping.contracts import Courier, Destination, ParcelRecord
from services.shipping.events import Shipped
from services.shipping.service import BOOKED
from services.shipping.tables import shipments


class ShippingBooks(Books):
    """Attributes: parcels: by order, the parcels that are booked with the courier and not cancelled."""

    def __init__(self, database: Database, courier: Courier, orders: Sequence[str]) -> None:
        self._database, self._courier = database, courier
        with database.begin() as tx:
            self._shipped = effects(tx, "ship", orders)
            self._published = published(tx, Shipped, orders)
            rows = tx.execute(select(shipments).where(shipments.c.order_id.in_(orders))).all()
        self._numbers = {row.order_id: row.tracking_number for row in rows}
        # The tracking number, or None if the shipment was cancelled.
        self._recorded = {row.order_id: row.tracking_number if row.status == BOOKED else None for row in rows}
        parcels: defaultdict[str, list[ParcelRecord]] = defaultdict(list)
        for parcel in courier.parcels(orders):
            parcels[Key.parse(parcel.key).order_id].append(parcel)
        self.parcels = dict(parcels)

    def orders(self, since: int = 0) -> Iterator[str]:
        yield from orders_on_record(self._database, since)
        if not since:  # a parcel's record has no time, so parcels cannot be filtered
            yield from (Key.parse(parcel.key).order_id for parcel in self._courier.parcels())

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        on_record, stands = order_id in self._recorded, self._recorded.get(order_id) is not None
        yield from self._shipped.contradictions(order_id, on_record=on_record, stands=stands)
        if on_record:
            for event in self._published.get(order_id, []):
                yield from otherwise_published("parcel's number", self._numbers[order_id], event.tracking_number)

    def disagreements(self, order_id: str, order: OrderRecord | None) -> Iterator[Finding]:
        recorded = None if order and order.is_returned else self._recorded.get(order_id)
        booked = [parcel.tracking_number for parcel in self.parcels.get(order_id, [])]
        if (recorded is None) != (not booked) or (recorded is not None and recorded not in booked):
            yield Finding("shipments agree with the courier", f"{len(booked)} parcels booked with the courier")

    def missing(self, order_id: str, order: OrderRecord) -> Iterator[Finding]:
        parcels = self.parcels.get(order_id, [])
        if order.is_returned:
            if parcels:
                yield Finding("completed: its parcel came back", f"{len(parcels)} parcels")
        elif len(parcels) != 1:
            yield Finding("completed: shipped once", f"{len(parcels)} parcels")
        elif not _goes_to(parcels[0], order):
            yield Finding("completed: shipped to the order's address", f"{parcels[0].tracking_number} goes elsewhere")

    def kept(self, order_id: str) -> Iterator[Finding]:
        parcels = self.parcels.get(order_id, [])
        if parcels:
            yield Finding("nothing shipped", f"{len(parcels)} parcels")


def _goes_to(parcel: ParcelRecord, order: OrderRecord) -> bool:
    to = parcel.ship_to
    return to is not None and to.model_dump() == {name: order.ship_to.get(name) for name in Destination.model_fields}
