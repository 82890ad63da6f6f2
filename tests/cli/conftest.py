"""A shop for the tests of a file, with a worker process of its own."""

from collections.abc import AsyncIterator

import pytest

from lab.settings import LabSettings
from tests.cli.terminal import NAMESPACE, OpenShop
from tests.conftest import client_of
from tests.processes import environment_of, worker_process
from wiring.order_records import RecordsOfOrders
from workflows.client import OrchestrationClient

FAULTS = "shipping.ship=slow:2@slow-*,payments.refund=refuse:*@stuck-*"


@pytest.fixture(scope="module")
async def open_shop(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenShop]:
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("shop"), "faults": FAULTS})
    environment = environment_of(settings, NAMESPACE)
    async with worker_process(environment):
        client = await client_of(server, NAMESPACE)
        yield OpenShop(
            settings,
            environment,
            OrchestrationClient(
                client, settings.policy, settings.link, RecordsOfOrders(settings.url_of), settings.steps
            ),
        )
