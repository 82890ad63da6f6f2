"""One browser, one worker and one page for the tests of a file; the worker is the laboratory's, as in `make up`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from lab.settings import LabSettings
from lab.web import with_stage
from lab.worker_process import WorkerProcess
from tests.conftest import free_port
from tests.processes import environment_of, until
from tests.web.chromium import NoBrowser, chromium

NAMESPACE = "page"
FAULTS = "payments.refund=refuse@stuck-*,payments.refund=refuse:*@hopeless-*"
TIMEOUT = 30_000  # milliseconds, for a busy machine


@dataclass(frozen=True)
class OpenPage:
    """A page that is served, by a process that is started again when it dies."""

    settings: LabSettings
    address: str
    page: WorkerProcess
    worker: WorkerProcess
    log: Path

    @property
    def says_ready(self) -> int:
        return self.log.read_text().count("ready: web")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    try:
        found = chromium()
    except NoBrowser as missing:
        pytest.fail(str(missing), pytrace=False)  # never skipped: what people see would be untested
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=found.executable, args=list(found.arguments), env={**os.environ, **found.environment}
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def open_page(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenPage]:
    folder = tmp_path_factory.mktemp("page")
    settings = server.model_copy(update={"data_dir": folder, "faults": FAULTS})
    port, log = free_port(), folder / "page.log"
    environment = environment_of(settings, NAMESPACE) | {"WEB_PORT": str(port), "ACTOR": "an operator"}
    worker = WorkerProcess(with_stage(settings), log=folder / "worker.log", environment=environment)
    page = WorkerProcess(settings, log=log, program="web", environment=environment)
    worker.start()
    try:
        await until(lambda: "ready: saga" in _text(folder / "worker.log") or worker.wait(0))
        page.start()
        served = OpenPage(settings, f"http://127.0.0.1:{port}", page, worker, log)
        await until(lambda: "ready: web" in _text(log) or page.wait(0))
        yield served
    finally:
        page.stop()
        worker.stop()


def _text(log: Path) -> str:
    return log.read_text() if log.exists() else ""


class Visitor:
    """Somebody with a browser of their own; what went wrong in it is kept."""

    def __init__(self, context: BrowserContext, page: Page, address: str) -> None:
        self.context = context
        self.page = page
        self.address = address
        self.problems: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    async def open(self, path: str) -> None:
        await self.page.goto(self.address + path)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.address).netloc:
            self.problems.append(f"asked another host: {url}")


@asynccontextmanager
async def visiting(browser: Browser, address: str, **options: Any) -> AsyncIterator[Visitor]:
    """At the end the browser has had nothing to complain of."""
    context = await browser.new_context(**options)
    try:
        context.set_default_timeout(TIMEOUT)
        visitor = Visitor(context, await context.new_page(), address)
        yield visitor
        assert visitor.problems == []
    finally:
        await context.close()


@pytest.fixture
async def visitor(browser: Browser, open_page: OpenPage) -> AsyncIterator[Visitor]:
    async with visiting(browser, open_page.address) as visitor:
        yield visitor
