"""`make pictures`: the README's pictures, from a real run of an order that nobody can deliver, in both styles."""

import asyncio
import os
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from lab.servers.ports import free_ports
from lab.servers.temporal import DevServer
from lab.settings import LabSettings
from lab.web import with_stage
from lab.worker_process import WorkerProcess
from tests.web.chromium import chromium

_DOCS = Path(__file__).parents[2] / "docs"
_TIMEOUT = 60_000  # milliseconds


async def _take(settings: LabSettings, address: str) -> None:
    found = chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=found.executable, args=list(found.arguments), env={**os.environ, **found.environment}
        )
        order_id = await _take_page(browser, address)
        await _take_temporal(browser, settings.link("default", f"order-{order_id}"))
        await browser.close()


async def _take_page(browser: Browser, address: str) -> str:
    page = await browser.new_page(viewport={"width": 1280, "height": 1180})
    await page.goto(address, timeout=_TIMEOUT)
    await page.click("button[value=undeliverable]")
    await page.wait_for_selector("#summary:not([hidden])", timeout=_TIMEOUT)
    await page.screenshot(path=_DOCS / "page.png", animations="disabled")
    return await page.locator("#run").get_attribute("data-orchestration") or ""


async def _take_temporal(browser: Browser, link: str) -> None:
    page = await browser.new_page(viewport={"width": 1500, "height": 1100})
    await page.goto(f"{link}", timeout=_TIMEOUT, wait_until="networkidle")
    await page.get_by_text("payments.refund").first.wait_for(timeout=_TIMEOUT)
    await page.screenshot(path=_DOCS / "undone.png", animations="disabled")


def main() -> None:
    temporal_port, ui_port, web_port = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="order-saga-pictures-") as folder:
        settings = LabSettings(data_dir=Path(folder), temporal_port=temporal_port, ui_port=ui_port)
        environment = {**os.environ, "WEB_PORT": str(web_port), "ACTOR": "operator"}
        log = settings.data_dir / "pictures.log"
        server = DevServer(settings)
        worker = WorkerProcess(with_stage(settings), log=log, environment=environment)
        page = WorkerProcess(settings, log=log, program="web", environment=environment)
        try:
            server.start()
            worker.start()
            while not log.exists() or "ready: saga" not in log.read_text():
                if worker.wait(0.1):
                    raise SystemExit(log.read_text())
            page.start()
            while "ready: web" not in log.read_text():
                if page.wait(0.1):
                    raise SystemExit(log.read_text())
            asyncio.run(_take(settings, f"http://localhost:{web_port}/"))
        finally:
            page.stop()
            worker.stop()
            server.stop()


if __name__ == "__main__":
    main()
