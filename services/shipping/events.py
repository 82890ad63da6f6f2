"""The events that the shipping service publishes."""

from kernel.contracts import Event, FailureEvent, UndoneEvent


class Shipped(Event):
    """The parcel is booked with the courier: the order is past the pivot."""

    tracking_number: str
    country: str


class ShippingFailed(FailureEvent):
    """No parcel was booked."""


class ShipmentCancelled(UndoneEvent):
    """There is no parcel, and none will be booked."""

    reason: str
