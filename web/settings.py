"""The page's settings, and the check of its access control."""

import ipaddress
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from kernel.environment import EnvironmentSettings
from kernel.errors import SettingsError

_SHORTEST_SECRET = 16


class WebSettings(EnvironmentSettings):
    """`token` is the operators' login; `proxy_secret` is sent by a reverse proxy that authenticates them.

    `hosts` are the accepted host names, separated by commas; loopback names are always accepted on loopback.
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
        """The accepted host names; empty for all, if a login protects the page."""
        own = {"localhost", "127.0.0.1", "::1", self.host} if self.is_loopback else set[str]()
        return frozenset(own | {name.strip().lower() for name in self.hosts.split(",") if name.strip()})

    @property
    def needs_log_in(self) -> bool:
        return bool(self.token.get_secret_value() or self.proxy_secret.get_secret_value())

    def check(self) -> None:
        """Raises SettingsError if unauthenticated access would be possible."""
        for name, secret in (("WEB_TOKEN", self.token), ("WEB_PROXY_SECRET", self.proxy_secret)):
            if 0 < len(secret.get_secret_value()) < _SHORTEST_SECRET:
                raise SettingsError(f"{name}: give at least {_SHORTEST_SECRET} characters")
        if not (self.is_loopback or self.needs_log_in):
            raise SettingsError(
                f"WEB_HOST: {self.host} is open to other machines: set WEB_TOKEN to what operators log in with "
                f"(at least {_SHORTEST_SECRET} characters), or WEB_PROXY_SECRET behind a proxy that authenticates them"
            )
