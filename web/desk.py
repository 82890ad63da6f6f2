"""What an operator can do with the entries that need attention, and how it is done."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from client.attention import AttentionEntry, AttentionKind
from client.contracts import Resolution, ResolveBy, Review
from kernel.contracts import Style
from kernel.service import Kind
from services import SERVICES
from services.fraud.contracts import Decision
from services.shipping.declaration import SHIPPING
from wiring.bus import EventBus
from wiring.clients import Clients
from wiring.dead_letters import dead_letters, discard, retry
from wiring.failures import PASSING

_STEPS = {f"{one.name}.{o.verb}" for one in SERVICES for o in one.operations if o.kind is Kind.STEP}
_UNDOS_OF_SHIPPING = {f"{SHIPPING.name}.{o.verb}" for o in SHIPPING.operations if o.kind is Kind.UNDO}
_REMEMBERED_SECONDS = 600.0


@dataclass(frozen=True)
class Act:
    """A button. `needs_note`: a note on how it was settled, or why it is discarded, is required."""

    name: str
    title: str
    needs_note: bool = False


APPROVE, DECLINE = Act("approve", "Approve"), Act("decline", "Decline")
RETRY, RESOLVED = Act("retry", "Try again"), Act("resolved", "Settled by hand", needs_note=True)
RETURNED, DELIVERED = Act("returned", "Returned", needs_note=True), Act("delivered", "Delivered", needs_note=True)
CANCEL = Act("cancel", "Cancel the order")
AGAIN, DISCARD = Act("again", "Handle again"), Act("discard", "Discard", needs_note=True)
ACTS = {act.name: act for act in (APPROVE, DECLINE, RETRY, RESOLVED, RETURNED, DELIVERED, CANCEL, AGAIN, DISCARD)}


def acts_on(entry: AttentionEntry) -> tuple[Act, ...]:
    """The buttons of an entry; other actions are on the command line only."""
    match entry.kind:
        case AttentionKind.REVIEW:
            return APPROVE, DECLINE
        case AttentionKind.UNDO_FAILED if entry.step in _UNDOS_OF_SHIPPING:
            return RETRY, RETURNED, DELIVERED
        case AttentionKind.UNDO_FAILED:
            return RETRY, RESOLVED
        case AttentionKind.STALLED if entry.style is Style.CHOREOGRAPHY:
            return RESOLVED, CANCEL
        case AttentionKind.RETRYING if entry.step in _STEPS:
            return (CANCEL,)
        case AttentionKind.DEAD_LETTER | AttentionKind.QUARANTINED:
            return AGAIN, DISCARD
        case _:
            return ()


@dataclass(frozen=True)
class Asked:
    """An act on an entry, which is not yet seen to have worked; `failed` is how often the entry had failed before."""

    act: Act
    actor: str
    at: float
    failed: int
    has_failed_again: bool = False

    @property
    def seconds(self) -> int:
        return int(time.time() - self.at)


class Desk:
    """Acts on entries as `starter.py` does, and remembers for a while what was asked for."""

    def __init__(self, events: EventBus, clients: Clients) -> None:
        self._events = events
        self._clients = clients
        self._asked: dict[str, Asked] = {}

    async def asked(self, entries: Iterable[AttentionEntry]) -> dict[str, Asked]:
        """What was asked for, by the id of each entry that is still there."""
        self._asked = {name: one for name, one in self._asked.items() if one.seconds < _REMEMBERED_SECONDS}
        still = [entry for entry in entries if entry.id in self._asked]
        for entry in (one for one in still if not self._asked[one.id].has_failed_again):
            with suppress(*PASSING):  # it is not seen now, and looked for again
                if await self._failed(entry) > self._asked[entry.id].failed:
                    self._asked[entry.id] = replace(self._asked[entry.id], has_failed_again=True)
        return {entry.id: self._asked[entry.id] for entry in still}

    async def do(self, entry: AttentionEntry, act: Act, note: str, actor: str) -> None:
        """Raises the client's errors."""
        failed = await self._failed(entry)
        await self._do(entry, act, note, actor)
        self._asked[entry.id] = Asked(act, actor, time.time(), failed)

    async def _failed(self, entry: AttentionEntry) -> int:
        """How often it has failed by now; not by the clock, since clocks differ."""
        if entry.kind is not AttentionKind.UNDO_FAILED:
            return entry.attempt
        history = await (await self._clients.client_of(entry.order_id)).history(entry.order_id)
        return sum(one.count for one in history.failed if one.step == entry.step and one.gave_up)

    async def _do(self, entry: AttentionEntry, act: Act, note: str, actor: str) -> None:
        if act in (AGAIN, DISCARD):
            await self._settle_letter(entry, act, note, actor)
            return
        client = await self._clients.client_of(entry.order_id)
        if act is CANCEL:
            await client.cancel(entry.order_id, note, actor)
        elif act in (APPROVE, DECLINE):
            await client.review(entry.order_id, Review(decision=Decision(act.name), note=note, actor=actor))
        else:
            resolution = Resolution(decision=ResolveBy(act.name), note=note, step=entry.step, actor=actor)
            await client.resolve(entry.order_id, resolution)

    async def _settle_letter(self, entry: AttentionEntry, act: Act, note: str, actor: str) -> None:
        found = await asyncio.to_thread(dead_letters, self._events, entry.step, entry.order_id)
        for letter in (one for one in found if one.id == entry.subject):
            if act is AGAIN:
                await retry(self._events, letter, actor)
            else:
                await asyncio.to_thread(discard, self._events, letter, f"{note} ({actor})")
