"""What needs a person, collected from all parts; the command line, metrics, notifier and page ask this module."""

import asyncio
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from client.attention import AttentionEntry, AttentionKind, Part, oldest_first, unseen
from kernel.contracts import Style
from kernel.environment import one_line
from kernel.errors import UserError
from settings import Settings
from wiring.bus_attention import parts_of_the_bus
from wiring.clients import Clients

_SECONDS = 10.0
_FAILS_WITH = (UserError, SQLAlchemyError, RPCError, OSError, ValueError)

# Where to look for the problem when a part does not answer.
_LOOK_AT = {Style.ORCHESTRATION: "temporal operator cluster health", Style.CHOREOGRAPHY: "starter.py events consumers"}


async def attention(settings: Settings, clients: Clients, limit: float = _SECONDS) -> list[AttentionEntry]:
    """All that needs a person, in both styles and in all parts: first the parts that cannot be seen, then the oldest.

    Never raises for a part that fails, or does not answer within `limit` seconds: that is an entry.
    """
    answers = await asyncio.gather(*(_answer(part, limit) for part in _parts(settings, clients)))
    entries = [entry for answer in answers for entry in answer]
    failed = {(one.order_id, one.step.partition(".")[0]) for one in entries if one.kind is AttentionKind.UNDO_FAILED}
    # The dead letter of a failed undo is the same problem, seen from the bus.
    once = (
        one for one in entries if one.kind is not AttentionKind.DEAD_LETTER or (one.order_id, one.step) not in failed
    )
    return oldest_first(once)


def _parts(settings: Settings, clients: Clients) -> list[Part]:
    after = timedelta(seconds=settings.attention_after)

    def of_style(style: Style) -> Part:
        return Part(f"{style} orders", _LOOK_AT[style], lambda: clients.attention(style, after))

    return [
        *map(of_style, clients.styles),
        *parts_of_the_bus(settings, after),
    ]


async def _answer(part: Part, limit: float) -> list[AttentionEntry]:
    try:
        async with asyncio.timeout(limit):
            return await part.ask()
    except TimeoutError:
        return [unseen(part.name, f"no answer within {limit:g} s", part.command)]
    except _FAILS_WITH as error:
        why = error.for_user() if isinstance(error, UserError) else one_line(error)
        return [unseen(part.name, why[:500], part.command)]
