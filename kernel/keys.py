"""Makes and parses idempotency keys and event ids. No other code does so.

An operation's idempotency key is `<order_id>:<step>`. An event's id is the key, or else the order's id, followed by the
event's type: `<order_id>:<step>:<Type>`.
"""

from dataclasses import dataclass

_SEPARATOR = ":"


@dataclass(frozen=True, slots=True)
class Key:
    """An operation's idempotency key, the same on every attempt. Its `str` is what is sent and stored.

    Raises:
        ValueError: a part has a colon, so the key could not be parsed.
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
        """Parse a key, or the key at the start of an event's id. The step is empty if there is none."""
        order_id, _, rest = text.partition(_SEPARATOR)
        return cls(order_id, rest.partition(_SEPARATOR)[0])


def event_id(behind: str, *about: str) -> str:
    """The id of an event that `behind` caused: an operation's key, an order's id or another event's id.

    The same event always gets the same id, so a second publication is a duplicate.
    """
    return _SEPARATOR.join((behind, *about))
