"""The errors that a service may raise, and those for users.

    ServiceError
    ├── Refusal                 the service's final no; never retried
    │   ├── AlreadyUndone       a late `do`: its undo came first
    │   ├── KeyReused           the key was used before, for something else
    │   ├── CannotUndo          an undo that this service will not do
    │   ├── TooLate             what was to be prevented was done already
    │   └── (each service's own, in its contracts.py)
    └── Outage                  the service could not answer; the outcome is unknown; retried

Any other error is a bug or a broken database. The outcome is unknown then too, so it is treated as an outage.
"""

from typing import ClassVar


class ServiceError(Exception):
    """An answer that is not a reply. Its text is for people who look at the order."""


class Refusal(ServiceError):
    """A final, business answer. A repeat under the same key gets the same refusal."""

    _by_name: ClassVar[dict[str, type["Refusal"]]] = {}
    name: ClassVar[str]

    def __init_subclass__(cls, *, name: str = "") -> None:
        """`name` is stored in records and events, so it never changes. It is the class name unless given."""
        cls.name = name or cls.__name__
        Refusal._by_name[cls.name] = cls

    @property
    def reason(self) -> str:
        """The name and the text, as events have it."""
        return f"{self.name}: {self}"

    @staticmethod
    def named(name: str, message: str) -> "Refusal":
        """Rebuild a recorded refusal, so that a repeat gets the first answer."""
        return Refusal._by_name[name](message)


class AlreadyUndone(Refusal):
    """The undo of this operation came first, so the operation must not happen any more."""


class KeyReused(Refusal):
    """The idempotency key was used for another request."""


class CannotUndo(Refusal):
    """The service cannot undo this; an operator has to decide."""


class TooLate(Refusal):
    """What was to be prevented has been done already."""


class Outage(ServiceError):
    """The service or its provider could not answer, so the outcome is unknown."""


class UserError(Exception):
    """An error that a user can cause and correct. The text is one line: what is wrong, and what to do."""

    def for_user(self) -> str:
        """The text with its context, for places that do not show what it is about."""
        return str(self)


class Unreachable(UserError):
    """A required server does not answer; the text has what to do."""


class SettingsError(UserError):
    """A setting is wrong; the text names it, and a valid value."""


class DatabaseDown(SettingsError):
    """A database does not answer. The setting may be wrong or the database down, so callers retry."""
