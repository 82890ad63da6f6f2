"""What needs a person, as in `starter.py attention`, with buttons that resolve it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from client.attention import AttentionEntry, AttentionKind
from client.contracts import Resolution, ResolveBy, Review
from kernel.contracts import Style
from kernel.errors import UserError
from kernel.service import Kind
from services import SERVICES
from services.fraud.contracts import Decision
from services.shipping.declaration import SHIPPING
from web.site import BadForm, Site, done, identity_of, site_of
from wiring.dead_letters import dead_letters, discard, retry

_MOST_AT_ONCE = 500
_AT_ONCE = 8
_STEPS = {f"{one.name}.{o.verb}" for one in SERVICES for o in one.operations if o.kind is Kind.STEP}
_UNDOS_OF_SHIPPING = {f"{SHIPPING.name}.{o.verb}" for o in SHIPPING.operations if o.kind is Kind.UNDO}


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


async def show(request: Request) -> Response:
    site = site_of(request)
    entries = await site.attention.get()
    template = "attention_live.html" if request.query_params.get("part") == "live" else "attention.html"
    bulk = [act for act in ACTS.values() if sum(act in acts_on(one) for one in entries) > 1]
    rows = [(entry, acts_on(entry)) for entry in entries]
    return site.page(request, template, rows=rows, bulk=bulk, now=datetime.now(UTC))


async def act(request: Request) -> Response:
    """Apply one action to all chosen entries; a failure is reported and does not stop the others."""
    site = site_of(request)
    form = await site.form(request)
    name, _, only = form.get("act").partition(":")
    chosen, note = {only} if only else set(form.all("chosen")), form.get("note")
    actor = identity_of(request).actor
    wanted = ACTS.get(name)
    if wanted is None or not chosen or len(chosen) > _MOST_AT_ONCE:
        raise BadForm(f"choose what is meant, {_MOST_AT_ONCE} entries at most")
    if wanted.needs_note and not note:
        raise BadForm(f"'{wanted.title}' needs a note: how it was settled by hand, or why it is given up")
    site.attention.forget()
    entries = [one for one in await site.attention.get() if one.id in chosen and wanted in acts_on(one)]
    problems = await _at_once(entries, lambda entry: _do(site, entry, wanted, note, actor))
    site.attention.forget()
    gone = len(chosen) - len(entries)
    parts = [f"{wanted.title}: {len(entries) - len(problems)} done."]
    parts += [f"{gone} no longer needed it."] if gone else []
    return done("/attention", " ".join([*parts, *problems[:5]])[:1_000])


async def _at_once(entries: Iterable[AttentionEntry], do: Callable[[AttentionEntry], Awaitable[None]]) -> list[str]:
    """The reasons of failures."""
    places, problems = asyncio.Semaphore(_AT_ONCE), list[str]()

    async def one(entry: AttentionEntry) -> None:
        async with places:
            try:
                await do(entry)
            except UserError as error:
                problems.append(f"{entry.subject}: {error.for_user()}.")

    await asyncio.gather(*map(one, entries))
    return problems


async def _do(site: Site, entry: AttentionEntry, wanted: Act, note: str, actor: str) -> None:
    if wanted in (AGAIN, DISCARD):
        await _settle_letter(site, entry, wanted, f"{note} ({actor})")
        return
    client = await site.clients.client_of(entry.order_id)
    if wanted is CANCEL:
        await client.cancel(entry.order_id, note, actor)
    elif wanted in (APPROVE, DECLINE):
        await client.review(entry.order_id, Review(decision=Decision(wanted.name), note=note, actor=actor))
    else:
        resolution = Resolution(decision=ResolveBy(wanted.name), note=note, step=entry.step, actor=actor)
        await client.resolve(entry.order_id, resolution)


async def _settle_letter(site: Site, entry: AttentionEntry, wanted: Act, note: str) -> None:
    found = await asyncio.to_thread(dead_letters, site.events, entry.step, entry.order_id)
    for letter in (one for one in found if one.id == entry.subject):
        if wanted is AGAIN:
            await retry(site.events, letter)
        else:
            await asyncio.to_thread(discard, site.events, letter, note)


ROUTES = [
    Route("/attention", show),
    Route("/attention", act, methods=["POST"]),
]
