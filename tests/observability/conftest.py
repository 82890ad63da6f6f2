from collections.abc import AsyncIterator

import pytest

from lab.settings import LabSettings
from settings import LogFormat
from tests.conftest import FAULTS, free_port
from tests.observability.observed import ObservedShop, observed_shop


@pytest.fixture(scope="package")
async def shop(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ObservedShop]:
    """All of these tests' shop."""
    changes = {"data_dir": tmp_path_factory.mktemp("observed"), "faults": FAULTS, "metrics_port": free_port()}
    async with observed_shop(server.model_copy(update=changes | {"log_format": LogFormat.JSON})) as shop:
        yield shop
