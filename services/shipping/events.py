"""What the shipping service tells."""

from services.contracts import Event, Failure, UndoneEvent


class Shipped(Event):
    """The courier has the parcel's booking: past the pivot."""

    tracking_number: str
    country: str


class ShippingFailed(Failure):
    """There is no parcel."""


class ShipmentCancelled(UndoneEvent):
    """There is no parcel any more, and there will be none."""

    reason: str
