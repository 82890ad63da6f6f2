"""What the shipping service publishes."""

from kernel.contracts import Event, FailureEvent, UndoneEvent


class Shipped(Event):
    """The courier has the parcel's booking: past the pivot."""

    tracking_number: str
    country: str


class ShippingFailed(FailureEvent):
    """There is no parcel."""


class ShipmentCancelled(UndoneEvent):
    """There is no parcel any more, and there will be none."""

    reason: str
