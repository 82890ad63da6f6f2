"""What the payments service tells."""

from services.contracts import Event, Failure, Money, UndoneEvent


class PaymentProcessed(Event):
    """`charge_id` is the processor's own name for the charge."""

    charge_id: str
    amount: Money


class PaymentFailed(Failure):
    """The card was not charged."""


class PaymentRefunded(UndoneEvent):
    """`amount` was given back; none when nothing was charged."""

    amount: Money | None = None
