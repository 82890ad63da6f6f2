"""The names of what is done and of what is published, made and taken apart here and nowhere else.

An operation's idempotency key is `<order_id>:<step>`. An event's id begins with the key, or else with the order, and
goes on with the event's type: `<order_id>:<step>:<Type>`.
"""

from dataclasses import dataclass

_SEPARATOR = ":"


@dataclass(frozen=True, slots=True)
class Key:
    """An operation's idempotency key, the same on every attempt. Its `str` is what is sent and stored.

    Raises:
        ValueError: a part has a colon, so that the text could not be taken apart again.
    """

    order_id: str
    step: str

    def __post_init__(self) -> None:
        if _SEPARATOR in self.order_id or _SEPARATOR in self.step:
            raise ValueError(f"an order {self.order_id!r} and a step {self.step!r} make no key")

    def __str__(self) -> str:
        return f"{self.order_id}{_SEPARATOR}{self.step}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """The key that this text is, or with which this event's id begins. What has no step gets an empty one."""
        order_id, _, rest = text.partition(_SEPARATOR)
        return cls(order_id, rest.partition(_SEPARATOR)[0])


def event_id(behind: str, *about: str) -> str:
    """The id of an event about `behind`: an operation's key, an order's id or an event's.

    The same event has the same id, so that publishing it twice is publishing it once.
    """
    return _SEPARATOR.join((behind, *about))
