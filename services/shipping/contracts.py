"""The shipping service's commands, replies, refusals and port, and its port to the courier."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Protocol

from kernel.contracts import Command, Contract, Seconds, Undo, Undone
from kernel.environment import EnvironmentSettings
from kernel.errors import Refusal


class CourierSettings(EnvironmentSettings):
    """`courier_pickup`: for how many seconds after the booking a parcel can be called back."""

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
    """The courier does not serve the address."""


class ShippingPort(Protocol):
    def ship(self, command: ShipOrder) -> Booked: ...
    def cancel(self, command: Undo) -> Undone: ...
    def withdraw(self, command: Undo) -> Undone: ...


class NotServed(StrEnum):
    """Why a courier refuses a parcel. The texts are ours, since a courier's may name the recipient or the address."""

    COUNTRY = "no courier goes to {country}"
    ADDRESS = "no courier goes to this address"
    CANCELLED = "this booking was cancelled"
    KEY_REUSED = "the booking's key was used before, for another parcel"


class AddressNotServed(Exception):
    """The courier refuses this parcel. Only `why` is recorded; the text is neither recorded nor logged."""

    def __init__(self, text: str = "", *, why: NotServed = NotServed.ADDRESS) -> None:
        super().__init__(text or why)
        self.why = why


class AlreadyCollected(Exception):
    """The courier has collected the parcel and cannot return it. The text is neither recorded nor logged."""


class ParcelRecord(Contract):
    """A parcel that the courier has on record, with the key of its booking."""

    key: str
    tracking_number: str
    ship_to: Destination | None


class Courier(Protocol):
    """A courier. Any error other than the two above means that the outcome is unknown."""

    def book(self, key: str, ship_to: Destination) -> str:
        """Book one parcel under this idempotency key; a repeat gets the first answer. Raises AddressNotServed.

        Returns:
            the parcel's tracking number
        """
        ...

    def cancel(self, key: str) -> None:
        """Cancel the booking under this key, and refuse any later booking under it. Raises AlreadyCollected."""
        ...

    def parcels(self, orders: Sequence[str] | None = None) -> Iterator[ParcelRecord]:
        """The parcels (of these orders) that are booked, on their way or delivered, and not cancelled. For the audit.

        Raises:
            Outage: they are not available now.
        """
        ...
