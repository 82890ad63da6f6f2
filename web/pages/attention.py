"""What needs a person, as in `starter.py attention`, with buttons that resolve it, one by one or in bulk."""

import math
import re
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from client.attention import AttentionEntry
from client.errors import NotNow
from web.bulk import BulkRun
from web.desk import ACTS, RETRY, Act, acts_on
from web.forms import BadForm, shown_on, typed_in
from web.site import Site, done, identity_of, site_of

_MOST_AT_ONCE = 500
_SLOWEST, _FASTEST = 0.01, 1000.0
_JUST_NOW_SECONDS = 30
_RUN = re.compile(r"[0-9a-f]{16}")


async def show(request: Request) -> Response:
    site = site_of(request)
    entries = await site.attention.get()
    bulk = [act for act in ACTS.values() if sum(act in acts_on(one) for one in entries) > 1]
    rows = [(entry, acts_on(entry)) for entry in entries]
    asked, chosen = await site.desk.asked(entries), set(typed_in(request).form.all("chosen"))
    is_expecting = any(one.seconds < _JUST_NOW_SECONDS and not one.has_failed_again for one in asked.values())
    now, template = datetime.now(UTC), "attention_live.html" if _is_part(request) else "attention.html"
    return site.page(
        request, template, rows=rows, bulk=bulk, now=now, asked=asked, chosen=chosen, is_expecting=is_expecting
    )


@shown_on(show)
async def act(request: Request) -> Response:
    """Apply an act to one entry; for those that are chosen, first show what would be done."""
    site = site_of(request)
    form = await site.form(request)
    name, _, only = form.get("act").partition(":")
    wanted = _checked(name, form.get("note"))
    if not only:
        return await _dry_run(request, wanted, form.all("chosen"))
    site.attention.forget()
    entry = next((one for one in await site.attention.get() if one.id == only and wanted in acts_on(one)), None)
    if entry is None:
        return done("/attention", "That no longer needs a person.")
    await site.desk.do(entry, wanted, form.get("note"), identity_of(request).actor)
    site.attention.forget()
    became = "is being tried again; the list shows whether that works" if wanted is RETRY else "1 done"
    return done("/attention", f"{wanted.title}: {became}.")


async def _dry_run(request: Request, wanted: Act, chosen: list[str]) -> Response:
    site = site_of(request)
    if not chosen or len(chosen) > _MOST_AT_ONCE:
        raise BadForm(f"choose at least one entry, and {_MOST_AT_ONCE} at most")
    entries = [one for one in await site.attention.get() if one.id in set(chosen)]
    fitting = [one for one in entries if wanted in acts_on(one)]
    others = [one for one in entries if wanted not in acts_on(one)]
    return site.page(request, "bulk.html", act=wanted, fitting=fitting, others=others)


@shown_on(show)
async def begin_bulk(request: Request) -> Response:
    """Begin a run, or continue one that was interrupted."""
    site = site_of(request)
    form = await site.form(request)
    wanted, chosen = _checked(form.get("act"), form.get("note")), form.all("chosen")
    if not chosen or len(chosen) > _MOST_AT_ONCE:
        raise BadForm(f"choose at least one entry, and {_MOST_AT_ONCE} at most")
    actor = identity_of(request).actor
    run = BulkRun(wanted.name, form.get("note"), actor, _rate(form.get("rate", "10")), tuple(chosen))
    return await _go(site, run)


async def continue_bulk(request: Request) -> Response:
    site = site_of(request)
    await site.form(request)
    progress = site.bulk_runs.find(_run_in(request))
    if progress is None:
        raise BadForm("there is no such run, or it is complete")
    return await _go(site, progress.run)


async def _go(site: Site, run: BulkRun) -> Response:
    site.attention.forget()
    entries = {one.id: one for one in await site.attention.get()}

    async def on(entry_id: str) -> None:
        await site.desk.do(_still(entries.get(entry_id), run), ACTS[run.act], run.note, run.actor)
        site.attention.forget()

    return done(f"/attention/bulk/{site.bulk_runs.start(run, on).run.id}")


def _still(entry: AttentionEntry | None, run: BulkRun) -> AttentionEntry:
    """Raises NotNow."""
    if entry is None or ACTS[run.act] not in acts_on(entry):
        raise NotNow("it needs this no longer")
    return entry


async def show_bulk(request: Request) -> Response:
    site = site_of(request)
    progress = site.bulk_runs.find(_run_in(request))
    if progress is None:
        return done("/attention", "That run is complete.")
    template = "bulk_live.html" if _is_part(request) else "bulk_run.html"
    return site.page(request, template, progress=progress, act=ACTS[progress.run.act])


def _checked(name: str, note: str) -> Act:
    """Raises BadForm."""
    wanted = ACTS.get(name)
    if wanted is None:
        raise BadForm("choose what is to be done, by one of the buttons")
    if wanted.needs_note and not note:
        raise BadForm(f"'{wanted.title}' needs a note: how it was settled by hand, or why it is given up")
    return wanted


def _rate(text: str) -> float:
    """Raises BadForm."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not _SLOWEST <= rate <= _FASTEST:
        raise BadForm(f"the rate is a number a second, from {_SLOWEST:g} to {_FASTEST:g}")
    return rate


def _run_in(request: Request) -> str:
    run = str(request.path_params["run"])
    if not _RUN.fullmatch(run):
        raise BadForm("there is no such run")
    return run


def _is_part(request: Request) -> bool:
    return request.query_params.get("part") == "live"


ROUTES = [
    Route("/attention", show),
    Route("/attention", act, methods=["POST"]),
    Route("/attention/bulk", begin_bulk, methods=["POST"]),
    Route("/attention/bulk/{run}", show_bulk),
    Route("/attention/bulk/{run}", continue_bulk, methods=["POST"]),
]
