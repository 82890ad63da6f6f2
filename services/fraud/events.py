"""What the fraud service publishes."""

from kernel.contracts import Event, FailureEvent


class NoFraudDetected(Event):
    """The order may be shipped: by the rules, or since a person says so in `note`."""

    score: int
    reviewed: bool = False
    note: str = ""
    actor: str = ""


class PossibleFraud(Event):
    """A person must decide; nothing is shipped before."""

    score: int
    rules: tuple[str, ...]


class FraudConfirmed(FailureEvent):
    """The order is taken for a fraud: by the rules, or by `actor`."""

    actor: str = ""
