"""The part of the audit that asks Temporal: which orchestrated orders that have not ended does no workflow drive?"""

import asyncio
from contextlib import closing

from temporalio.service import RPCError

from audit.invariants import NotJudged, Violation
from client.contracts import OrderState
from kernel.contracts import Style
from kernel.environment import one_line
from kernel.errors import UserError
from settings import Settings
from wiring.order_records import RecordsOfOrders
from wiring.temporal import connect
from workflows.lookup import Lookup

_MOST = 10_000


def audit_of_workflows(settings: Settings, not_judged: list[NotJudged]) -> list[Violation]:
    """Orders whose workflow was ended or is unknown: the books alone reveal them only after all deadlines.

    Args:
        not_judged: gets what could not be seen, and why.
    """
    try:
        stranded = asyncio.run(_stranded(settings))
    except (UserError, RPCError) as error:
        why = error.for_user() if isinstance(error, UserError) else one_line(error)
        not_judged.append(NotJudged(order_id="", why=f"whether a workflow drives each order in progress: {why}"))
        return []
    return [
        Violation(order_id=state.order_id, invariant="every order ends", detail="; ".join(state.problems))
        for state in stranded
    ]


async def _stranded(settings: Settings) -> list[OrderState]:
    """Raises UserError, RPCError."""
    with closing(RecordsOfOrders(settings.url_of)) as records:
        if not await records.unsettled(Style.ORCHESTRATION):
            return []  # no Temporal server is needed for that
        lookup = Lookup(await connect(settings), records)
        return [known.standing.state for known in await lookup.stranded(_MOST)]
