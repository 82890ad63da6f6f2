"""Settings from the environment or a `.env` file. Each part of the system declares its own; all are read here."""

import re
from typing import Any, ClassVar, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import DotEnvSettingsSource, EnvSettingsSource
from sqlalchemy.exc import StatementError

from kernel.errors import SettingsError
from kernel.json_text import NotJson, parse
from kernel.mistakes import mistake, variable


class _Environment(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        return parse(value)


class _DotEnv(DotEnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        return parse(value)


class EnvironmentSettings(BaseSettings):
    """A part adds its `env_prefix`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", env_nested_delimiter="__"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - these two have readers of their own
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as the one above
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Those of the library, with one reader of JSON."""
        return init_settings, _Environment(settings_cls), _DotEnv(settings_cls), file_secret_settings

    @classmethod
    def read(cls) -> Self:
        """Raises SettingsError."""
        try:
            return cls()
        except (ValueError, RuntimeError) as error:
            raise SettingsError(f"{cls.model_config.get('env_prefix', '')}{wrong_setting(error)}") from None


def wrong_setting(error: BaseException) -> str:
    """The error in one line; it begins with the environment variable."""
    return mistake(error, variable) if isinstance(error, ValidationError) else one_line(error)


def one_line(error: BaseException) -> str:
    """The error in one line: the first mistake in a value, or the database driver's message."""
    if isinstance(error, ValidationError):
        return mistake(error)
    unreadable = re.search(r'error parsing value for field "(\w+)"', str(error))
    if unreadable:
        cause = error.__cause__
        return f"{unreadable[1].upper()}: {cause if isinstance(cause, NotJson) else 'not JSON'}"
    # SQLAlchemy's own text is long, and ends with a link.
    said = (error.orig or error) if isinstance(error, StatementError) else error
    return " ".join(str(said).split()) or type(error).__name__
