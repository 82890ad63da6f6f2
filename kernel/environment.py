"""Settings from the environment, or a `.env` file: each part of the system declares its own, and reads them alike."""

import re
from typing import ClassVar, Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.exc import StatementError

from kernel.errors import SettingsError


class EnvironmentSettings(BaseSettings):
    """A part adds its `env_prefix`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", env_nested_delimiter="__"
    )

    @classmethod
    def read(cls) -> Self:
        """Raises SettingsError."""
        try:
            return cls()
        except (ValueError, RuntimeError) as error:
            raise SettingsError(f"{cls.model_config.get('env_prefix', '')}{one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """An error in one line; of pydantic's, the first and where it is; of a database's, the driver's words."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]).upper() or "value"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        return f"{where}: {first['msg'].removeprefix('Value error, ')}{more}"
    unreadable = re.search(r'error parsing value for field "(\w+)"', str(error))
    if unreadable:
        return f"{unreadable[1].upper()}: not JSON"
    # SQLAlchemy's own text is long, and ends in an advertisement.
    said = (error.orig or error) if isinstance(error, StatementError) else error
    return " ".join(str(said).split()) or type(error).__name__
