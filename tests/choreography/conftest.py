from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.settings import LabSettings
from tests.choreographed import ChoreographedShop, open_shop
from tests.conftest import FAULTS
from tests.shop import POLICY

PATIENT = POLICY
IMPATIENT = POLICY.model_copy(update={"step_deadline": 2.0, "review_deadline": 1.0})


@pytest.fixture(scope="session")
async def choreographed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChoreographedShop]:
    """All these tests' shop; each fault hits the orders that are named after it."""
    settings = LabSettings(data_dir=tmp_path_factory.mktemp("choreographed"), faults=FAULTS, policy=PATIENT)
    async with open_shop(settings) as shop:
        yield shop


@pytest.fixture(scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChoreographedShop]:
    """A shop in which deadlines pass soon."""
    folder: Path = tmp_path_factory.mktemp("impatient")
    async with open_shop(LabSettings(data_dir=folder, faults=FAULTS, policy=IMPATIENT)) as shop:
        yield shop
