"""What the wrapping service publishes."""

from kernel.contracts import Event, UndoneEvent


class GiftWrapped(Event):
    """The order's pieces are in paper."""

    pieces: int


class GiftUnwrapped(UndoneEvent):
    """The paper is off again."""
