"""The orders service's commands, replies, refusals and port."""

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from kernel.contracts import Command, Contract, Policy, Style, Undo, Undone
from kernel.errors import Refusal
from kernel.money import Money
from kernel.visible import is_text

MAX_LINES = 100
MAX_QUANTITY = 9_999


class OrderStatus(StrEnum):
    """An order's status, as it is shown everywhere."""

    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    NEEDS_ATTENTION = "needs-attention"


def _text(value: str) -> str:
    if not all(map(is_text, value)):
        raise ValueError("must not have control characters, or characters that hide or turn the text around")
    if value and not any(one.isprintable() and not one.isspace() for one in value):
        raise ValueError("must have a character that can be seen")
    return value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_text)]
OrderId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Field(description="1 to 64 letters, digits, dots, dashes or underscores"),
]
CountryCode = Annotated[str, BeforeValidator(_upper), StringConstraints(pattern=r"^[A-Z]{2}$")]
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY, strict=True)]


class Address(Contract):
    """Where a parcel goes. `country` is an ISO 3166 two-letter code."""

    private: ClassVar[tuple[str, ...]] = ("name", "street", "postal_code", "city")

    name: Text
    street: Text
    postal_code: Text
    city: Text
    country: CountryCode


class OrderLine(Contract):
    sku: Text
    quantity: Quantity


class CreateOrder(Command):
    """`policy` is the order's own, if it has one; else the worker's policy applies.

    `saga` is the caller. The same saga may repeat the command after the order has ended, and gets the first answer.
    """

    not_compared: ClassVar[frozenset[str]] = frozenset({"policy", "saga"})  # callers of other versions may lack them

    customer_id: str
    lines: tuple[OrderLine, ...]
    ship_to: Address
    payment_token: str = ""
    saga: str = ""
    policy: Policy | None = None

    def in_words(self) -> str:
        return ", ".join(f"{line.quantity} × {line.sku}" for line in self.lines[:5])


class Created(Contract):
    """The order is on record, priced from the catalogue; `saga` is the caller that recorded it."""

    total: Money
    saga: str = ""


class CompleteOrder(Command):
    """`after_all`: complete it even if that was withheld before, since the customer has the parcel."""

    not_compared: ClassVar[frozenset[str]] = frozenset({"after_all"})

    after_all: bool = False

    def in_words(self) -> str:
        return "paid and shipped"


class Completed(Contract):
    pass


class FlagOrder(Command):
    """Flag the order as waiting for an operator; an empty `problem` removes the flag.

    `settled` is the note of the operator `actor` on what was settled by hand; it is kept. With `ended`, the end itself
    was settled by hand: the order gets that status, for `reason` or else for `settled`. `sequence` increases from flag
    to flag of an order, so that a late flag does not replace a newer one; 0 if flags arrive in order.
    """

    not_compared: ClassVar[frozenset[str]] = frozenset({"actor"})

    problem: str
    settled: str = ""
    ended: OrderStatus | None = None
    reason: str = ""
    sequence: int = 0
    actor: str = ""

    def in_words(self) -> str:
        return self.problem or self.settled or "taken up by an operator"


class Flagged(Contract):
    pass


class AdjustOrder(Command):
    """Record what was settled outside after the order was completed.

    `refunded` is the total that was refunded directly at the card processor; None leaves it unchanged. `returned`: the
    parcel came back.
    """

    refunded: Money | None = None
    returned: bool = False
    note: str

    def in_words(self) -> str:
        return self.note


class Adjustment(Contract):
    """The total of what was settled outside; `refunded` in minor units of the order's currency."""

    refunded: int = 0
    returned: bool = False
    note: str = ""


class CannotAdjust(Refusal):
    """The order does not allow this adjustment."""


class UnknownSku(Refusal):
    """The catalogue has no such product."""


class MixedCurrencies(Refusal):
    """The order's products are priced in more than one currency, but a charge has one."""


class OrderEnded(Refusal):
    """The order has already ended in another way."""


class OrdersPort(Protocol):
    """The service's interface for its callers."""

    def create(self, command: CreateOrder) -> Created: ...
    def complete(self, command: CompleteOrder) -> Completed: ...
    def withhold(self, command: Undo) -> Undone: ...
    def reject(self, command: Undo) -> Undone: ...
    def cancel(self, command: Undo) -> Undone: ...
    def flag(self, command: FlagOrder) -> Flagged: ...
    def adjust(self, command: AdjustOrder) -> Adjustment: ...
    def without_record(self, order_ids: Collection[str]) -> list[str]: ...
    def unended(self, style: Style) -> list[str]: ...
