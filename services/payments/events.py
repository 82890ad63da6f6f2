"""What the payments service publishes."""

from kernel.contracts import Event, FailureEvent, UndoneEvent
from kernel.money import Money


class PaymentProcessed(Event):
    """`charge_id` is the processor's own name for the charge."""

    charge_id: str
    amount: Money


class PaymentFailed(FailureEvent):
    """The card was not charged."""


class PaymentRefunded(UndoneEvent):
    """`amount` was given back; none when nothing was charged."""

    amount: Money | None = None
