"""The same order in both styles at once, under separate ids and customers."""

import asyncio
import re
import uuid
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from client.contracts import Review
from client.errors import NoSuchOrder, NotNow
from client.order import Address, Order, OrderLine
from kernel.contracts import Style
from services.fraud.contracts import Decision
from web.forms import BadForm, shown_on
from web.site import Site, done, identity_of, site_of
from web.stage import Scene, Stage
from wiring.failures import PASSING

_PLAIN = Scene(
    name="good",
    title="Nothing goes wrong",
    difference="The steps and effects are the same; only the part that decides the next step differs.",
)
_NONCE = re.compile(r"[0-9a-f]{8}")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_ENDINGS = {Style.ORCHESTRATION: "-o", Style.CHOREOGRAPHY: "-c"}


async def choose(request: Request) -> Response:
    site = site_of(request)
    nonce = uuid.uuid4().hex[:8]  # reloaded or clicked twice, the form places the same two orders
    return site.page(request, "choose.html", scenes=_scenes(site.stage), nonce=nonce, stage=site.stage)


@shown_on(choose)
async def begin(request: Request) -> Response:
    site = site_of(request)
    form = await site.form(request)
    nonce, slow = form.get("nonce"), form.get("slow") == "on"
    scene = next((one for one in _scenes(site.stage) if one.name == form.get("scene", _PLAIN.name)), None)
    if scene is None or (slow and site.stage is None):
        raise BadForm("there is no such fault here: only the laboratory ('make up', 'make demo') has any")
    if not _NONCE.fullmatch(nonce):
        raise BadForm("load the page again, and choose once more")
    run = site.stage.run_id(nonce, scene, slow=slow) if site.stage else f"pair-{nonce}"
    clients = {style: await site.clients.client(style) for style in Style}
    # Both at once; the same run again is the first one.
    await asyncio.gather(*(clients[style].place(_order(order_id_of(run, style), scene)) for style in Style))
    return done(f"/runs/{run}")


async def show(request: Request) -> Response:
    site, run = site_of(request), _run_in(request)
    scene = site.stage.scene_of(run) if site.stage else None
    ids = {style.value: order_id_of(run, style) for style in Style}
    await _check_exists(site, run)
    return site.page(request, "side_by_side.html", run=run, scene=scene, ids=ids, stage=site.stage)


async def _check_exists(site: Site, run: str) -> None:
    """Raises NoSuchOrder. An order that cannot be seen at the moment may exist; the page then says so itself."""
    found = await asyncio.gather(*(_exists(site, run, style) for style in Style))
    if not any(found):
        raise NoSuchOrder(f"there is no run {run}; begin one on the page 'Side by side'")


async def _exists(site: Site, run: str, style: Style) -> bool:
    try:
        await (await site.clients.client(style)).get(order_id_of(run, style))
    except NoSuchOrder:
        return False
    except PASSING:
        pass  # it may
    return True


async def kills(request: Request) -> Response:
    """When a fault of this run killed the worker, in milliseconds since 1970."""
    site, run = site_of(request), _run_in(request)
    ids = [order_id_of(run, style) for style in Style]
    found = await asyncio.to_thread(site.stage.kills, ids) if site.stage else []
    return JSONResponse([round(1000 * at) for at in found])


@shown_on(show)
async def review(request: Request) -> Response:
    """Apply the same decision to both orders, if they are in review."""
    site, run = site_of(request), _run_in(request)
    form = await site.form(request)
    try:
        given = Review(decision=Decision(form.get("decision")), note=form.get("note"), actor=identity_of(request).actor)
    except ValueError as error:
        raise BadForm(str(error)) from None
    for style in Style:
        client = await site.clients.client(style)
        try:
            await client.review(order_id_of(run, style), given)
        except NotNow:
            continue  # decided already; the page shows how
    return done(f"/runs/{run}")


def order_id_of(run: str, style: Style) -> str:
    return run + _ENDINGS[style]


def _run_in(request: Request) -> str:
    run = str(request.path_params["run"])
    if not _RUN.fullmatch(run):
        raise BadForm("there is no such run")
    return run


def _scenes(stage: Stage | None) -> Sequence[Scene]:
    return stage.scenes if stage else (_PLAIN,)


def _order(order_id: str, scene: Scene) -> Order:
    """Each order has a separate customer: two orders of one customer at once look like fraud."""
    address = Address(name="A. Sample", street="1 Street", postal_code="10115", city="Berlin", country=scene.country)
    lines = (OrderLine(sku=scene.sku, quantity=scene.quantity),)
    return Order(order_id=order_id, customer_id=order_id, lines=lines, payment_token=scene.card, ship_to=address)


ROUTES = [
    Route("/", choose),
    Route("/runs", begin, methods=["POST"]),
    Route("/runs/{run}", show),
    Route("/runs/{run}/kills", kills),
    Route("/runs/{run}/review", review, methods=["POST"]),
]
