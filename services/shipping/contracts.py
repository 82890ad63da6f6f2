"""What the shipping service is asked and what it answers, and its port to the courier."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Protocol

from kernel.contracts import Command, Contract, Seconds, Undo, Undone
from kernel.environment import EnvironmentSettings
from kernel.errors import Refusal


class CourierSettings(EnvironmentSettings):
    """`courier_pickup`: seconds after the booking in which the parcel can be called back."""

    courier_pickup: Seconds = 3600


class Destination(Contract):
    """Where a parcel goes. `country` is an ISO 3166 two-letter code."""

    name: str
    street: str
    postal_code: str
    city: str
    country: str


class ShipOrder(Command):
    ship_to: Destination

    def in_words(self) -> str:
        return f"to {self.ship_to.country}"


class Booked(Contract):
    tracking_number: str


class Undeliverable(Refusal):
    """The courier does not go there."""


class ShippingPort(Protocol):
    def ship(self, command: ShipOrder) -> Booked: ...
    def cancel(self, command: Undo) -> Undone: ...
    def withdraw(self, command: Undo) -> Undone: ...


class NotServed(StrEnum):
    """Why a courier does not take a parcel, in our words: a courier's own may name who gets it, and where."""

    COUNTRY = "no courier goes to {country}"
    ADDRESS = "no courier goes to this address"
    CANCELLED = "this booking was cancelled"
    KEY_REUSED = "the booking's key was used before, for another parcel"


class AddressNotServed(Exception):
    """The courier will not take this parcel. Of the reasons only `why` goes on record; the text goes nowhere."""

    def __init__(self, text: str = "", *, why: NotServed = NotServed.ADDRESS) -> None:
        super().__init__(text or why)
        self.why = why


class AlreadyCollected(Exception):
    """The courier has the parcel and cannot give it back. Its text goes nowhere."""


class ParcelRecord(Contract):
    """A parcel that the courier has on record, with the key of its booking."""

    key: str
    tracking_number: str
    ship_to: Destination | None


class Courier(Protocol):
    """A courier. Anything but the two exceptions above that it raises means that the outcome is unknown."""

    def book(self, key: str, ship_to: Destination) -> str:
        """Book one parcel under this idempotency key; a repeat gets the first answer. Raises AddressNotServed.

        Returns:
            the parcel's tracking number
        """
        ...

    def cancel(self, key: str) -> None:
        """Cancel the booking under this key, and refuse any that comes under it later. Raises AlreadyCollected."""
        ...

    def parcels(self, orders: Sequence[str] | None = None) -> Iterator[ParcelRecord]:
        """The parcels (of these orders) that are booked, on their way or delivered, and not cancelled. For the audit.

        Raises:
            Outage: they cannot be had now.
        """
        ...
