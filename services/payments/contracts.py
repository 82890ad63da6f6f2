"""What the payments service is asked and what it answers, and its port to the card processor."""

from collections.abc import Iterator
from typing import Protocol

from kernel.contracts import Command, Contract, Undo, Undone
from kernel.errors import Refusal
from kernel.money import Money


class ChargeCard(Command):
    amount: Money
    payment_token: str

    def in_words(self) -> str:
        return f"{self.amount} from {self.payment_token}"


class Charged(Contract):
    """`charge_id` is the processor's own name for the charge."""

    charge_id: str


class PaymentDeclined(Refusal):
    """The card was not charged, and will not be."""


class PaymentsPort(Protocol):
    def charge(self, command: ChargeCard) -> Charged: ...
    def refund(self, command: Undo) -> Undone: ...


class CardDeclined(Exception):
    """The processor's word for a charge that it will not make; its text says why."""


class ChargeRecord(Contract):
    """A charge on the processor's statement, with its merchant's key; `refunded` in minor units of its currency."""

    key: str
    charge_id: str
    amount: Money
    refunded: int


class PaymentGateway(Protocol):
    """A card processor. Anything but CardDeclined that it raises means that the outcome is unknown."""

    def charge(self, key: str, amount: Money, payment_token: str) -> str:
        """Charge the card once under this idempotency key; a repeat gets the first answer. Raises CardDeclined.

        Returns:
            the processor's id of the charge
        """
        ...

    def reverse(self, key: str) -> None:
        """Give back whatever was charged under this key, and refuse any charge that comes under it later.

        Processors offer it for lost replies: a reversal by the merchant's own reference, as in ISO 8583.
        """
        ...

    def charges(self) -> Iterator[ChargeRecord]:
        """The statement: every charge that was ever made, also those that were given back. For the audit.

        Raises:
            Outage: it cannot be had now.
        """
        ...
