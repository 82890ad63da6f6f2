"""One HTTP POST to an outside system: to a checked address, with one deadline for the whole exchange.

It ignores proxies of the environment, follows no redirect, and keeps no cookie. The name is resolved once, and the
connection goes to a checked address, so that the name cannot point elsewhere in between.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import httpcore
import httpx

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds serve a machine's secrets, besides 169.254.169.254, which is link-local.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64: the last four bytes are an IPv4 address


class PostFailed(Exception):
    """There was no answer; the message says why, in one line."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]


def post(url: str, headers: Mapping[str, str], body: str, *, seconds: float, link_local: bool) -> Answer:
    """Returns the answer's head; its body is not read.

    Args:
        seconds: the deadline of the whole exchange, from resolving the name to the last byte of the head.
        link_local: allow link-local addresses, and those where clouds serve secrets.

    Raises:
        PostFailed: there was no answer in time, or the address is not allowed.
    """
    network = _Network(time.monotonic() + seconds, link_local=link_local)
    sent = {"host": httpx.URL(url).netloc.decode(), "content-length": str(len(body.encode())), **headers}
    try:
        with (
            httpcore.ConnectionPool(ssl_context=_tls(), network_backend=network) as pool,
            pool.stream("POST", url, headers=[*sent.items()], content=body.encode()) as response,
        ):
            return Answer(response.status, {name.decode().lower(): value.decode() for name, value in response.headers})
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ValueError) as error:
        raise PostFailed(f"{type(error).__name__}: {error}") from error


def is_refused(host: str) -> bool:
    """Whether this host is an IP address that is link-local, or where a cloud serves secrets."""
    try:
        return _is_local_to_a_link(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return False  # a name: its address is checked when it is connected to


def _is_local_to_a_link(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address in _TRANSLATED:
            return _is_local_to_a_link(ipaddress.IPv4Address(address.packed[-4:]))
        inner = address.ipv4_mapped or address.sixtofour
        if inner:
            return _is_local_to_a_link(inner)
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA


class _Network(httpcore.NetworkBackend):
    """A network with a deadline: whatever is started after it fails."""

    def __init__(self, end: float, *, link_local: bool) -> None:
        self._end = end
        self._link_local = link_local
        self._sockets = httpcore.SyncBackend()

    def left(self) -> float:
        """The seconds left for the next wait. Raises ReadTimeout."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the exchange took too long")
        return left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._resolved(host, port):
            if not self._link_local and _is_local_to_a_link(ipaddress.ip_address(address.partition("%")[0])):
                failure = httpcore.ConnectError(f"{host} is at {address}, which is link-local: set allow_link_local")
                continue
            try:
                return _Stream(self._sockets.connect_tcp(address, port, self.left()), self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _resolved(self, host: str, port: int) -> list[str]:
        """Resolve in a thread, since a resolver may block for long."""
        found: list[str] = []
        failed: list[OSError] = []

        def resolve() -> None:
            try:
                found.extend(str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except OSError as error:
                failed.append(error)

        resolving = threading.Thread(target=resolve, daemon=True)
        resolving.start()
        resolving.join(self.left())
        self.left()
        if failed:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {failed[0].strerror or failed[0]}")
        return found


class _Stream(httpcore.NetworkStream):
    """A stream whose waits all end at the exchange's deadline, however slowly the bytes arrive."""

    def __init__(self, stream: httpcore.NetworkStream, network: _Network) -> None:
        self._stream = stream
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._network.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._network.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._network.left()), self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
