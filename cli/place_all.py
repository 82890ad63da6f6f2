"""Places and follows orders separately: each result is reported, whatever happens to the others."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from client.contracts import PlacedOrder
from client.order import Order
from client.protocol import OrderClient
from kernel.errors import UserError
from wiring.program import foreseen

_AT_ONCE = 50
_log = logging.getLogger(__name__)


@dataclass
class Placement:
    """One order, and how far placing it has come; it can be read at any moment.

    Attributes:
        where: its place in the file, such as `line 3: `.
        is_asked: its style was asked to place it, so it may be placed, whatever was answered.
        is_placed: it was placed, and continues without this program.
        outcome: where it stood when we stopped looking.
        failure: why there is no outcome, in one line.
    """

    order: Order
    where: str = ""
    is_asked: bool = False
    is_placed: bool = False
    outcome: PlacedOrder | None = None
    failure: str = ""

    @property
    def may_go_on(self) -> bool:
        return self.is_asked and not self.outcome and not (self.failure and not self.is_placed)


async def place_all(
    client: OrderClient, placements: Sequence[Placement], *, wait: bool, done: Callable[[], object]
) -> None:
    """Place them, a limited number at once, and wait for their ends. Raises nothing: each has its failure noted.

    Args:
        done: called as each has come as far as it will.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(placement: Placement) -> None:
        async with places:
            await _place(client, placement, wait=wait)
            done()

    await asyncio.gather(*map(one, placements))


async def _place(client: OrderClient, placement: Placement, *, wait: bool) -> None:
    order_id = placement.order.order_id
    try:
        placement.is_asked = True
        await client.place(placement.order)
        placement.is_placed = True
        placement.outcome = await (client.outcome if wait else client.get)(order_id)
    except UserError as error:
        placement.failure = error.for_user()
    except Exception as error:  # noqa: BLE001 - reported with its order; the others go on
        text = foreseen(error)
        if not text:
            _log.exception("order %s", order_id)
            text = f"a bug: {type(error).__name__}: {error}"
        what = "was placed, and continues" if placement.is_placed else "may have been placed"
        placement.failure = f"{text}; order {order_id} {what}: starter.py status {order_id}"
