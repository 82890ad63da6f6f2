"""What messaging needs of a database; `services.database.Database` is one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection


class Storage(Protocol):
    @property
    def is_sqlite(self) -> bool: ...

    def begin(self) -> AbstractContextManager[Connection]:
        """One transaction."""
        ...

    def alone(self, change: Callable[[Connection], Any]) -> None:
        """Change the schema, with nobody else doing so."""
        ...
