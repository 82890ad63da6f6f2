"""Each subscriber's settings are a class in its own module; this reads them as `settings.py` does its own."""

from typing import ClassVar, Self

from pydantic_settings import BaseSettings, SettingsConfigDict

from settings import SettingsError, one_line


class SubscriberSettings(BaseSettings):
    """From the environment, or a `.env` file; a subscriber adds its `env_prefix`."""

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
