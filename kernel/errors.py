"""What a service may answer instead of a reply.

    ServiceError
    ├── Refusal                 the service's final no; never retried
    │   ├── AlreadyUndone       a late `do`: its undo came first
    │   ├── KeyReused           the key was used before, for something else
    │   ├── CannotUndo          an undo that this service will not do
    │   ├── TooLate             what is to be prevented was done already
    │   └── (each service's own, in its contracts.py)
    └── Outage                  the service could not answer; nothing is known; retried

Anything else that a service raises is a bug or a broken database: it says nothing about what happened, so it is
treated as an outage.
"""

from typing import ClassVar


class ServiceError(Exception):
    """An answer that is not a reply. Its text is written for the person who reads the order."""


class Refusal(ServiceError):
    """A final, business answer. A repeat under the same key gets the same refusal."""

    _by_name: ClassVar[dict[str, type["Refusal"]]] = {}
    name: ClassVar[str]

    def __init_subclass__(cls, *, name: str = "") -> None:
        """`name` is what records and events have, so it never changes; the class' own unless given."""
        cls.name = name or cls.__name__
        Refusal._by_name[cls.name] = cls

    @property
    def reason(self) -> str:
        """As events and people give it: the name, and why."""
        return f"{self.name}: {self}"

    @staticmethod
    def named(name: str, message: str) -> "Refusal":
        """The refusal recorded under this name, so that a repeat gets the first answer."""
        return Refusal._by_name[name](message)


class AlreadyUndone(Refusal):
    """This operation was undone before it arrived; it must not happen any more."""


class KeyReused(Refusal):
    """The idempotency key belongs to another request."""


class CannotUndo(Refusal):
    """The service cannot take this back; a person has to decide."""


class TooLate(Refusal):
    """What was to be prevented has been done."""


class Outage(ServiceError):
    """The service, or a company behind it, could not answer."""


class UserError(Exception):
    """What a user can cause and mend: the text is one line that says what is wrong and what to do."""

    def for_user(self) -> str:
        """The text where nothing around it says what it is about."""
        return str(self)


class Unreachable(UserError):
    """A server that is needed does not answer; the text says what to do."""


class SettingsError(UserError):
    """A setting is wrong; the text says which, and what would do."""


class DatabaseDown(SettingsError):
    """A database does not answer. It may be the setting, or the database: what needs it is tried again."""
