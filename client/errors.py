"""Why a client's request is refused; the text is one line for the person who asked."""

from kernel.errors import UserError


class NoSuchOrder(UserError):
    """There is no order with this id."""


class DifferentContent(UserError):
    """The order id was used before, for an order with another content."""


class TooLong(UserError):
    """A reason or a note that is longer than what every database, bus and payload takes."""


class BadOrderId(UserError):
    """A text that is no order's id, and must not become a part of a subject, a workflow's id or a file's name."""


class NotNow(UserError):
    """The order cannot do what is asked, for the reason that the text gives."""
