"""Someone's terminal, and the shop in which its commands are given."""

import asyncio
from dataclasses import dataclass
from typing import Any

from audit.books import OrderBooks, read
from client.order import Order
from lab.settings import LabSettings
from tests.processes import NOBODY_LISTENS, Environment, Ran, run, run_here, run_inside
from tests.shop import sample_order
from workflows.client import OrchestrationClient
from workflows.contracts import workflow_id

NAMESPACE = "processes"
MUG = ("place", "--item", "mug=1")


@dataclass(frozen=True)
class Terminal:
    settings: LabSettings
    environment: Environment

    async def run(self, *arguments: str, stdin: str | bytes = "", **environment: str) -> Ran:
        return await run_inside(self.environment | environment, *arguments, stdin=stdin)

    async def run_alone(self, *arguments: str, stdin: str | bytes = "") -> Ran:
        """In a process of its own, as its users run it: a second dearer."""
        return await run("starter.py", self.environment, *arguments, stdin=stdin)

    async def run_each(self, *commands: tuple[str, ...]) -> list[Ran]:
        return [await self.run(*command) for command in commands]

    def refuses(self, *arguments: str, stdin: str | bytes = "", **environment: str) -> str:
        """The complaint of a command that must not get as far as to a server."""
        nowhere = {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
        return run_here(self.environment | nowhere | environment, *arguments, stdin=stdin).complaint


@dataclass(frozen=True)
class OpenShop(Terminal):
    """A terminal where a worker serves the orders of this one shop."""

    saga: OrchestrationClient

    async def has_had(self, *orders: Order) -> None:
        """These orders were placed here, and have ended or wait for a person."""
        for order in orders:
            await self.saga.place(order)
        await asyncio.gather(*(self.saga.outcome(order.order_id) for order in orders))

    def books(self, order_id: str) -> OrderBooks:
        return read(self.settings, [order_id]).orders.get(order_id, OrderBooks())

    def link(self, order_id: str) -> str:
        return f"http://localhost:{self.settings.ui_port}/namespaces/{NAMESPACE}/workflows/{workflow_id(order_id)}"


def cells(table: str, first: str) -> list[str]:
    """The cells of the row that begins so, without those that are empty."""
    row = next(row for row in table.splitlines() if first in row)
    return [cell.strip() for cell in row.strip("│┃ ").split("│") if cell.strip()]


def document(**changes: Any) -> dict[str, Any]:
    """An order as its customer would write it in a file."""
    written: dict[str, Any] = sample_order().model_dump(mode="json")
    return written | changes


def line(**changes: Any) -> dict[str, Any]:
    return document(lines=[{"sku": "mug", "quantity": 1} | changes])


def json_lines(*orders: Order) -> str:
    return "".join(f"{order.model_dump_json()}\n" for order in orders)
