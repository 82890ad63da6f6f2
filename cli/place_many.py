"""Many orders at once, with a progress bar."""

import asyncio

from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from cli.console import err
from client.contracts import PlacedOrder
from client.order import Order
from client.protocol import OrderClient

_AT_ONCE = 50


async def place_many(client: OrderClient, orders: list[Order], *, wait: bool) -> list[PlacedOrder]:
    """Place the orders, a limited number at once, and return them in the order given."""
    places = asyncio.Semaphore(_AT_ONCE)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn(), console=err) as progress:
        bar = progress.add_task("orders", total=len(orders))

        async def one(order: Order) -> PlacedOrder:
            async with places:
                await client.place(order)
                placed = await (client.outcome if wait else client.get)(order.order_id)
                progress.advance(bar)
                return placed

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(order)) for order in orders]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
