"""A simulated courier, with its own records, idempotency keys, places without service, and a delayed collection."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, Text, insert, select, update

from kernel.books import index_by_order, is_of
from kernel.database import Database
from kernel.operations import Clock, milliseconds, system_clock
from services.shipping.contracts import AddressNotServed, AlreadyCollected, Destination, NotServed, ParcelRecord

# ISO 3166: places without service, and the codes that are reserved for users (AA, QM to QZ, XA to XZ, ZZ).
NOT_SERVED = {"AQ", "BV", "GS", "HM", "KP", "TF", "AA", "ZZ"}

BOOKED, CANCELLED, REFUSED = "booked", "cancelled", "refused"

_metadata = MetaData()
parcels = Table(
    "parcels",
    _metadata,
    Column("key", String(200), primary_key=True),
    Column("status", String(10), nullable=False, comment="booked, cancelled (perhaps before it was booked), refused"),
    Column("tracking_number", String(64), nullable=False),
    Column("destination", Text, nullable=False, comment="JSON"),
    Column("message", String(200), nullable=False),
    Column("booked_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
)


class SimulatedCourier:
    """Args: pickup: how long after the booking the courier collects the parcel."""

    def __init__(self, database: Database, pickup: timedelta, clock: Clock = system_clock) -> None:
        self._database = database
        self._pickup = pickup
        self._clock = clock

    def open(self) -> None:
        """Create the records, if they do not exist."""

        def make(tx: Connection) -> None:
            _metadata.create_all(tx)
            index_by_order(tx, parcels.c.key, self._database)

        self._database.alone(make)

    def book(self, key: str, ship_to: Destination) -> str:
        destination = ship_to.model_dump_json()
        with self._database.begin() as tx:
            parcel = tx.execute(select(parcels).where(parcels.c.key == key)).one_or_none()
            if parcel is None:
                message = _refusal_of(ship_to)
                number = "" if message else _tracking_number(key)
                status = REFUSED if message else BOOKED
                row = {"key": key, "status": status, "tracking_number": number, "destination": destination}
                now = milliseconds(self._clock())
                tx.execute(insert(parcels), row | {"message": message, "booked_at": now})
            elif parcel.status == CANCELLED:
                message = NotServed.CANCELLED
            elif parcel.destination != destination:
                message = NotServed.KEY_REUSED
            else:
                message, number = parcel.message, parcel.tracking_number
        if message:
            raise AddressNotServed(why=_not_served(message))
        return number

    def cancel(self, key: str) -> None:
        with self._database.begin() as tx:
            parcel = tx.execute(select(parcels).where(parcels.c.key == key).with_for_update()).one_or_none()
            now = milliseconds(self._clock())
            if parcel is None:
                row = {"key": key, "status": CANCELLED, "tracking_number": "", "destination": ""}
                tx.execute(insert(parcels), row | {"message": "cancelled before it was booked", "booked_at": now})
            elif parcel.status == BOOKED:
                if now >= parcel.booked_at + self._pickup / timedelta(milliseconds=1):
                    raise AlreadyCollected(f"parcel {parcel.tracking_number}")
                tx.execute(update(parcels).where(parcels.c.key == key).values(status=CANCELLED))

    def parcels(self, orders: Sequence[str] | None = None) -> Iterator[ParcelRecord]:
        booked = parcels.c.status == BOOKED
        if orders is not None:
            booked &= is_of(orders, parcels.c.key, self._database)
        with self._database.begin() as tx:
            for row in tx.execution_options(yield_per=500).execute(select(parcels).where(booked)):
                ship_to = Destination.model_validate_json(row.destination) if row.destination else None
                yield ParcelRecord(key=row.key, tracking_number=row.tracking_number, ship_to=ship_to)


def _refusal_of(ship_to: Destination) -> str:
    unassigned = ship_to.country[0] == "X" or "QM" <= ship_to.country <= "QZ"
    if unassigned or ship_to.country in NOT_SERVED:
        return NotServed.COUNTRY
    return ""


def _not_served(message: str) -> NotServed:
    # Records of earlier releases have other texts, with the country.
    return NotServed(message) if message in set(NotServed) else NotServed.COUNTRY


def _tracking_number(key: str) -> str:
    return "TRK" + hashlib.sha256(key.encode()).hexdigest()[:12].upper()
