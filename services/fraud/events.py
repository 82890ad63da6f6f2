"""The events that the fraud service publishes."""

from kernel.contracts import Event, FailureEvent


class NoFraudDetected(Event):
    """The order may be shipped: by the rules, or by a person's approval, with that person's `note`."""

    score: int
    reviewed: bool = False
    note: str = ""
    actor: str = ""


class PossibleFraud(Event):
    """A person must decide before the order may be shipped."""

    score: int
    rules: tuple[str, ...]


class FraudConfirmed(FailureEvent):
    """The order is considered a fraud, by the rules or by `actor`."""

    actor: str = ""
