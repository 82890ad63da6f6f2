"""The page, with the laboratory's stage; `make up` and `make demo` run it beside their worker."""

import asyncio

from kernel.contracts import Steps
from lab.settings import LabSettings, load
from lab.stage import FAULTS, LabStage
from web.settings import WebSettings
from wiring.observer import observer_of
from wiring.roles import WEB
from worker import begin_logging, run

# Short, so that the page soon shows the retry of a killed worker's attempt.
_ATTEMPT_SECONDS = 4


def web() -> int:
    """Run the page alone, with faults to choose.

    'up' and 'demo' run it beside their worker.
    """
    settings = load()
    observer = observer_of(settings)
    begin_logging(observer)
    attempt = min(settings.policy.attempt_timeout, _ATTEMPT_SECONDS)
    policy = settings.policy.model_copy(update={"attempt_timeout": attempt})
    # By queue, so that the page and the Temporal UI show each attempt while it is made.
    own = settings.model_copy(update={"policy": policy, "steps": Steps.QUEUE})
    return asyncio.run(run(own, [WEB], observer, stage=LabStage(settings)))


def with_stage(settings: LabSettings) -> LabSettings:
    """Settings of the worker with all faults of the page, each for the orders that were placed with it."""
    return settings.model_copy(update={"faults": ",".join(filter(None, (settings.faults, FAULTS)))})


def address() -> str:
    """The page's. Raises SettingsError."""
    return f"http://localhost:{WebSettings.read().port}/"
