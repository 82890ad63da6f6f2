import json
from collections.abc import AsyncIterator, Iterator

import pytest

from lab.settings import LabSettings
from services.orders.events import OrderRejected
from settings import LogFormat
from tests.conftest import FAULTS, free_port
from tests.observability.observed import NAMESPACE, ObservedShop, observed_shop
from tests.subscribers.http_endpoint import HttpEndpoint, to


@pytest.fixture(scope="package")
def endpoint() -> Iterator[HttpEndpoint]:
    """An outside system that gets what is rejected."""
    with HttpEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="package")
async def shop(
    server: LabSettings, endpoint: HttpEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ObservedShop]:
    """All of these tests' shop. What needs a person, does so after half a second."""
    webhook = to(endpoint.url, types=[OrderRejected.type()], first_pause=0.05, longest_pause=0.05)
    changes = {"data_dir": tmp_path_factory.mktemp("observed"), "faults": FAULTS, "attention_after": 0.5}
    changes |= {"metrics_port": free_port(), "log_format": LogFormat.JSON}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_NAMESPACE", NAMESPACE)
        patch.setenv("WEBHOOKS", json.dumps([webhook]))
        patch.setattr("wiring.observed.FRESH_SECONDS", 0.0)
        async with observed_shop(server.model_copy(update=changes)) as shop:
            yield shop
