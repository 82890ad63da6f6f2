"""What may happen to a log on NATS behind its readers' backs."""

import shutil
from pathlib import Path

import nats

from lab.servers.nats import NatsServer
from messaging.bus import Bus
from messaging.nats.log import NatsLog
from tests.messaging.conftest import Log

STREAM = "ORDERS"


class NatsFate:
    """A server of its own, whose folder may be copied."""

    def __init__(self, server: NatsServer, folder: Path, backup: Path) -> None:
        self._server = server
        self._folder = folder
        self._backup = backup
        self.log = Log(self._connect)

    def _connect(self) -> Bus:
        return NatsLog(self._server.url, STREAM)

    async def lose(self) -> None:
        async with await nats.connect(self._server.url) as operator:
            await operator.jsm().delete_stream(STREAM)

    async def back_up(self) -> None:
        self._server.stop()
        shutil.copytree(self._folder, self._backup)
        self._server.start()

    async def restore(self) -> None:
        self._server.stop()
        shutil.rmtree(self._folder)
        shutil.copytree(self._backup, self._folder)
        self._server.start()

    async def truncate(self, up_to: int) -> None:
        async with await nats.connect(self._server.url) as operator:
            info = await operator.jsm().stream_info(STREAM)
            for limit in (info.state.last_seq - up_to, -1):
                await operator.jsm().update_stream(info.config, max_msgs=limit)
