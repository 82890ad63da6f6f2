"""`make histories`: record the histories that the replay tests replay, one a path.

Record them when a path is added. When the workflow changes, keep the old ones: orders that are under way were started
with the old code, and must go on with the new (see docs/changing-the-workflow.md).
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from lab.servers.temporal import DevServer
from lab.settings import LabSettings
from tests.conftest import FAULTS, free_port
from tests.paths import PATHS
from tests.shop import POLICY, ShopUnderTest, worker_running

# Stack traces have this machine's paths in them, and are not replayed.
_STACK_TRACE = re.compile(r'"stackTrace": "(?:[^"\\]|\\.)*"')

HISTORIES = Path(__file__).parent / "histories"


def exported(history: WorkflowHistory) -> str:
    """As it is kept: JSON, without what only this machine knows."""
    return _STACK_TRACE.sub('"stackTrace": ""', history.to_json()) + "\n"


async def _record(settings: LabSettings, names: list[str]) -> None:
    client = await Client.connect(
        f"127.0.0.1:{settings.temporal_port}",
        data_converter=pydantic_data_converter,
        identity="order-saga",  # no machine's name in the histories
    )
    async with worker_running(client, settings):
        shop = ShopUnderTest(settings, client)
        for name in names:
            order = await PATHS[name](shop)
            status = (await shop.state(order)).status
            assert name.startswith(status), f"{name} ended as {status}"
            history = await shop.handle(order).fetch_history()
            (HISTORIES / f"{name}.json").write_text(exported(history))
            print(f"{len(history.events):>4} events  {name}")


def main() -> None:
    names = sys.argv[1:] or [name for name in PATHS if not (HISTORIES / f"{name}.json").exists()]
    with tempfile.TemporaryDirectory() as folder:
        settings = LabSettings(
            data_dir=Path(folder), temporal_port=free_port(), ui_port=free_port(), faults=FAULTS, policy=POLICY
        )
        server = DevServer(settings)
        server.start()
        try:
            asyncio.run(_record(settings, names))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
