"""The page's settings, and who may reach it."""

import ipaddress
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from kernel.environment import EnvironmentSettings
from kernel.errors import SettingsError

_SHORTEST_SECRET = 16


class WebSettings(EnvironmentSettings):
    """`token` is what operators log in with. `proxy_secret` is what a reverse proxy that authenticates them sends.

    `hosts` are the names, separated by commas, under which browsers may ask for the page; on loopback its own suffice.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="WEB_", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8234, ge=0, le=65_535)
    token: SecretStr = SecretStr("")
    proxy_secret: SecretStr = SecretStr("")
    hosts: str = ""

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def names(self) -> frozenset[str]:
        """The host names to answer to; empty for all, where a log-in protects the page."""
        own = {"localhost", "127.0.0.1", "::1", self.host} if self.is_loopback else set[str]()
        return frozenset(own | {name.strip().lower() for name in self.hosts.split(",") if name.strip()})

    @property
    def needs_log_in(self) -> bool:
        return bool(self.token.get_secret_value() or self.proxy_secret.get_secret_value())

    def check(self) -> None:
        """Raises SettingsError where anybody could act as an operator."""
        for name, secret in (("WEB_TOKEN", self.token), ("WEB_PROXY_SECRET", self.proxy_secret)):
            if 0 < len(secret.get_secret_value()) < _SHORTEST_SECRET:
                raise SettingsError(f"{name}: give at least {_SHORTEST_SECRET} characters")
        if not (self.is_loopback or self.needs_log_in):
            raise SettingsError(
                f"WEB_HOST: {self.host} is open to other machines: set WEB_TOKEN to what operators log in with "
                f"(at least {_SHORTEST_SECRET} characters), or WEB_PROXY_SECRET behind a proxy that authenticates them"
            )
