"""Why a client's request is refused. Each text is one line for the user."""

from kernel.errors import UserError


class NoSuchOrder(UserError):
    """There is no order with this id."""


class DifferentContent(UserError):
    """The order id was used before, for an order with different content."""


class TooLong(UserError):
    """A reason or a note is too long for some database, bus or payload."""


class BadOrderId(UserError):
    """The text is not a valid order id, so it must not become part of a subject, a workflow id or a file name."""


class NotNow(UserError):
    """The order's present state does not allow the request; the text gives the reason."""
