"""The page beyond one machine, on NATS and PostgreSQL; and while a server that it needs does not answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from lab.servers.nats import NatsServer
from lab.settings import LabSettings
from settings import DATABASES
from tests.choreographed import clients_of
from tests.conftest import free_port
from tests.postgres import Postgres
from tests.processes import NOBODY_LISTENS
from tests.shop import sample_order
from tests.web.test_stream import Served
from web.server import page
from web.settings import WebSettings


@dataclass(frozen=True)
class Deployed:
    served: Served
    bus: NatsServer

    async def ask(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(self._ask, path)

    def _ask(self, path: str) -> tuple[int, str]:
        request = Request(f"http://127.0.0.1:{self.served.port}{path}", headers={"Accept": "text/html"})
        try:
            with urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
async def deployed(
    tmp_path: Path, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Deployed]:
    """Without a Temporal server, and without a worker, so without a catalogue."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOBODY_LISTENS)
    bus, port = NatsServer(tmp_path / "nats", free_port()), free_port()
    bus.start()
    try:
        with postgres_server.lend() as take:
            databases = {name: take() for name in DATABASES}
            settings = LabSettings(data_dir=tmp_path, bus_url=bus.url, databases=databases)
            async with page(settings.given(WebSettings(port=port))), clients_of(settings) as shop:
                yield Deployed(Served(port, shop, Counter()), bus)
    finally:
        bus.stop()


async def test_everything_live_works_on_nats_and_postgresql_and_an_outage_is_said(deployed: Deployed) -> None:
    served, order = deployed.served, sample_order()
    await served.shop.client.place(order)
    async with served.stream(order.order_id) as live:
        await live.until(1)
        await served.publish(order.order_id)
        await live.until(2)
        async with served.stream(order.order_id, Last_Event_ID=str(live.events[0]["position"])) as again:
            await again.until(1)
            assert [one["type"] for one in again.events] == ["CancelRequested"]
        for path in ("/", f"/orders/{order.order_id}", "/attention", "/figures"):
            assert (await deployed.ask(path))[0] == 200, path

        deployed.bus.stop()
        while not live.orders[-1]["trouble"]:
            await live.until(2, orders=len(live.orders) + 1)
        status, text = await deployed.ask("/orders")
        assert (status, "Not available" in text) == (503, True)
        status, text = await deployed.ask(f"/orders/{order.order_id}")  # what is known of it is shown
        assert (status, "cannot be seen at the moment" in text) == (200, True)
        assert "unseen" in (await deployed.ask("/attention"))[1]
