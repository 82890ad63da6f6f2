"""`python -m lab web`: the page, with the laboratory's stage."""

import asyncio

from lab.settings import load
from lab.stage import LabStage
from wiring.roles import WEB
from worker import begin_logging, run


def web() -> int:
    """Run the page with faults to choose, until SIGTERM or SIGINT; its worker is run by 'up' and 'demo'."""
    begin_logging()
    return asyncio.run(run(load(), [WEB], stage=LabStage()))
