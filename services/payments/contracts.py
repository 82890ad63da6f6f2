"""The payments service's commands, replies, refusals and port, and its port to the card processor."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Protocol

from kernel.contracts import Command, Contract, Undo, Undone
from kernel.errors import Refusal
from kernel.money import Money


class ChargeCard(Command):
    amount: Money
    payment_token: str

    def in_words(self) -> str:
        return str(self.amount)


class Charged(Contract):
    """`charge_id` is the processor's id of the charge."""

    charge_id: str


class PaymentDeclined(Refusal):
    """The card was not charged, and will not be under this key."""


class PaymentsPort(Protocol):
    def charge(self, command: ChargeCard) -> Charged: ...
    def refund(self, command: Undo) -> Undone: ...


class Decline(StrEnum):
    """Why a processor refuses a charge. The texts are ours, since a processor's may name the card or its holder."""

    DECLINED = "the card was declined"
    NO_FUNDS = "the card has insufficient funds"
    EXPIRED = "the card has expired"
    WRONG_CODE = "the card's security code is incorrect"
    FRAUDULENT = "the card was declined as fraudulent"
    NOT_PROCESSED = "the card could not be processed"
    UNKNOWN_CARD = "there is no such card token"
    REVERSED = "this charge was reversed"
    KEY_REUSED = "the idempotency key was used before, for another charge"


class CardDeclined(Exception):
    """The processor refuses this charge. Only `why` is recorded; the text is neither recorded nor logged."""

    def __init__(self, text: str = "", *, why: Decline = Decline.DECLINED) -> None:
        super().__init__(text or why)
        self.why = why


class ChargeRecord(Contract):
    """A charge on the processor's statement; `key` is ours, `refunded` in minor units of its currency."""

    key: str
    charge_id: str
    amount: Money
    refunded: int


class PaymentGateway(Protocol):
    """A card processor. Any error other than CardDeclined means that the outcome is unknown."""

    def charge(self, key: str, amount: Money, payment_token: str) -> str:
        """Charge the card once under this idempotency key; a repeat gets the first answer. Raises CardDeclined.

        Returns:
            the processor's id of the charge
        """
        ...

    def reverse(self, key: str) -> None:
        """Refund what was charged under this key, and refuse any later charge under it.

        Processors offer this for lost replies: a reversal by the merchant's reference, as in ISO 8583.
        """
        ...

    def charges(self, orders: Sequence[str] | None = None) -> Iterator[ChargeRecord]:
        """The statement, for the audit: all charges (for these orders), including refunded ones.

        Raises:
            Outage: it is not available now.
        """
        ...
