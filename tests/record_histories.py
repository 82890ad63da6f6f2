"""`make histories`: record the histories that the replay tests replay, one a path in place and one by queue.

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

from kernel.contracts import Steps
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


def file_name(path: str, steps: Steps) -> str:
    """Those by queue have no suffix: the first of them were recorded before there was a choice."""
    return f"{path}.json" if steps is Steps.QUEUE else f"{path}-{steps}.json"


async def _record(settings: LabSettings, missing: list[tuple[str, Steps]]) -> None:
    client = await Client.connect(
        f"127.0.0.1:{settings.temporal_port}",
        data_converter=pydantic_data_converter,
        identity="order-saga",  # no machine's name in the histories
    )
    async with worker_running(client, settings):
        for name, steps in missing:
            shop = ShopUnderTest(settings.model_copy(update={"steps": steps}), client)
            order = await PATHS[name](shop)
            status = (await shop.state(order)).status
            assert name.startswith(status), f"{name} ended as {status}"
            history = await shop.handle(order).fetch_history()
            (HISTORIES / file_name(name, steps)).write_text(exported(history))
            print(f"{len(history.events):>4} events  {name}, {steps}")


def main() -> None:
    every = [(name, steps) for name in PATHS for steps in Steps]
    missing = [one for one in every if one[0] in sys.argv[1:] or not (HISTORIES / file_name(*one)).exists()]
    with tempfile.TemporaryDirectory() as folder:
        settings = LabSettings(
            data_dir=Path(folder), temporal_port=free_port(), ui_port=free_port(), faults=FAULTS, policy=POLICY
        )
        server = DevServer(settings)
        server.start()
        try:
            asyncio.run(_record(settings, missing))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
