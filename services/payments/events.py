"""The events that the payments service publishes."""

from kernel.contracts import Event, FailureEvent, UndoneEvent
from kernel.money import Money


class PaymentProcessed(Event):
    """The card was charged. `charge_id` is the processor's id of the charge."""

    charge_id: str
    amount: Money


class PaymentFailed(FailureEvent):
    """The card was not charged."""


class PaymentRefunded(UndoneEvent):
    """The charge was refunded. `amount` is None if nothing was charged."""

    amount: Money | None = None
