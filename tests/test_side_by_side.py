"""Two releases beside each other: the newer has one more field in an order, a command, a reply and an event."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from audit.books import read
from audit.invariants import audit
from kernel.contracts import Style
from lab.settings import LabSettings
from services import SERVICES
from services.orders.contracts import OrderStatus
from tests.processes import ROOT, Environment, environment_of, run, worker_process
from tests.shop import sample_order

NAMESPACE = "roles"
PROGRAM = (
    *("kernel", "services", "activities", "workflows", "choreography", "messaging", "subscribers", "client", "cli"),
    *("wiring", "audit", "schemas", "web", "observability"),
)
ADDED = '    gift: str = ""\n'
# In each file, after which line the newer release has which.
NEWER: list[tuple[str, str, str]] = [
    ("client/order.py", "    payment_token: Annotated[Text, AfterValidator(_token)]\n", ADDED),
    ("workflows/contracts.py", "    ship_to: Address\n", ADDED),
    ("choreography/events.py", "    ship_to: Address\n", ADDED),
    ("services/orders/contracts.py", '    payment_token: str = ""\n', ADDED),
    ("services/orders/contracts.py", "    total: Money\n", "    points: int = 0\n"),
    ("services/orders/events.py", "    ship_to: Address\n", ADDED),
    (
        "services/orders/service.py",
        "                ship_to=command.ship_to,\n",
        "                gift=command.gift,\n",
    ),
    ("workflows/commands.py", "        ship_to=order.ship_to,\n", "        gift=order.gift,\n"),
    ("choreography/commands.py", "        ship_to=order.ship_to,\n", "        gift=order.gift,\n"),
]
NOT_COMPARED = 'frozenset({"policy", "saga"})'
CREATED = "Created(total=total, saga=command.saga)"
DECIDES = ["saga", "relay", "subscribers"]
DOES = [*(service.name for service in SERVICES), "choreography"]


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the release after this one."""
    tree = tmp_path_factory.mktemp("newer") / "checkout"
    for folder in PROGRAM:
        shutil.copytree(ROOT / folder, tree / folder)
    for program in (*ROOT.glob("*.py"), ROOT / "catalogue.json"):
        shutil.copy(program, tree)
    for file, line, more in NEWER:
        edit(tree / file, line, line + more)
    edit(tree / "services/orders/contracts.py", NOT_COMPARED, 'frozenset({"policy", "saga", "gift"})')
    edit(tree / "services/orders/service.py", CREATED, f"{CREATED[:-1]}, points=1)")
    return tree


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, file
    file.write_text(text.replace(old, new, 1))


@asynccontextmanager
async def worker(tree: Path, environment: Environment, roles: list[str]) -> AsyncIterator[None]:
    options = [word for role in roles for word in ("--role", role)]
    async with worker_process(environment | {"PYTHONPATH": str(tree)}, *options, program=str(tree / "worker.py")):
        yield


async def placed(tree: Path, environment: Environment, style: Style, *, has_gift: bool) -> str:
    order = sample_order(f"{style}-{tree.name}")
    document = order.content() | ({"gift": "With love"} if has_gift else {})
    command = ("place", "--file", "-", "--json", "--style", style)
    ran = await run(
        str(tree / "starter.py"), environment | {"PYTHONPATH": str(tree)}, *command, stdin=json.dumps(document)
    )
    assert ran.code == 0, ran
    return order.order_id


@pytest.mark.parametrize("deciding", ["older", "newer"])
async def test_orders_of_both_styles_complete_whichever_process_is_newer(
    server: LabSettings, newer: Path, tmp_path: Path, deciding: str
) -> None:
    settings = server.model_copy(update={"data_dir": tmp_path})
    environment = environment_of(settings, NAMESPACE)
    decides, does = (newer, ROOT) if deciding == "newer" else (ROOT, newer)
    async with worker(decides, environment, DECIDES), worker(does, environment, DOES):
        orders = await asyncio.gather(
            *(placed(ROOT, environment, style, has_gift=False) for style in Style),
            *(placed(newer, environment, style, has_gift=True) for style in Style),
        )
    books = read(settings).orders
    assert {books[order_id].status for order_id in orders} == {OrderStatus.COMPLETED}
    assert {len(books[order_id].charges) for order_id in orders} == {1}
    assert audit(settings).violations == []
