"""Runs the page's web server in this process."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn

from kernel.errors import SettingsError
from settings import Settings
from web.app import application
from web.bulk import BulkRuns
from web.desk import Desk
from web.identity import Identities
from web.live import Live
from web.settings import WebSettings
from web.shared import Shared
from web.site import Site, templates
from web.stage import Stage
from wiring.attention import attention
from wiring.bus import open_bus
from wiring.bus_attention import lags
from wiring.clients import Clients
from wiring.supervision import Supervised

_log = logging.getLogger("web")

_MOST_CONNECTIONS = 2_000
_STOP_SECONDS = 3
_MOST_UNSENT = 64 * 1024
_LOOK_SECONDS = 2.0


@asynccontextmanager
async def page(settings: Settings, stage: Stage | None = None) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Serve the page. Yields its tasks, which end only on an error.

    Raises:
        SettingsError: unauthenticated access would be possible, or the port is taken.
    """
    web = settings.of(WebSettings)
    web.check()
    listening = _listening(web)
    clients = Clients(settings)
    async with open_bus(settings) as events:
        live = Live(events.bus, clients)
        identities = Identities(web, settings.data_dir, settings.actor)
        needs = Shared(lambda: attention(settings, clients), _LOOK_SECONDS)
        lagging = Shared(lambda: lags(events), _LOOK_SECONDS)
        desk, bulk_runs = Desk(events, clients), BulkRuns(settings.data_dir)
        site = Site(settings, events, clients, live, identities, stage, needs, lagging, desk, bulk_runs, templates())
        server = _Server(
            uvicorn.Config(
                application(site, web),
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        following = Supervised(live)
        tasks = [asyncio.create_task(following.run()), asyncio.create_task(server.serve(sockets=[listening]))]
        _log.info("the page is at http://%s:%d/", _shown(web.host), listening.getsockname()[1])
        try:
            yield tasks
        finally:
            following.stop()
            server.should_exit = True
            await asyncio.wait(tasks)
            await bulk_runs.close()
            await clients.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The worker handles signals."""
        yield


def _listening(web: WebSettings) -> socket.socket:
    """Raises SettingsError."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            web.host, web.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_UNSENT)  # each connection's, by inheritance
        listening.bind(address)
        listening.listen()  # from now on browsers wait, and are not turned away
    except OSError as error:
        raise SettingsError(
            f"WEB_HOST, WEB_PORT: cannot listen at {web.host}:{web.port}: {error.strerror or error}; "
            "choose another, such as WEB_PORT=8300"
        ) from None
    return listening


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
