"""The list of orders, and one order with its state, steps, events, records and letters."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kernel.contracts import Style
from messaging.failure import FailureState
from services.orders.contracts import OrderStatus
from web.forms import BadForm, shown_on
from web.letters import letters_of
from web.site import Site, done, identity_of, order_id_in, site_of
from web.story import order_document, tree
from web.stream import OrderStream

_AT_MOST = 200


async def index(request: Request) -> Response:
    site = site_of(request)
    asked = request.query_params
    try:
        status = OrderStatus(asked["status"]) if asked.get("status") else None
        style = Style(asked["style"]) if asked.get("style") else None
    except ValueError as error:
        raise BadForm(str(error)) from None
    orders = await site.clients.recent(style, status, _AT_MOST)
    return site.page(
        request,
        "orders.html",
        orders=orders,
        statuses=list(OrderStatus),
        styles=list(Style),
        status=status,
        style=style,
    )


async def order(request: Request) -> Response:
    site, order_id = site_of(request), order_id_in(request)
    template = "order_live.html" if request.query_params.get("part") == "live" else "order.html"
    return site.page(request, template, **await _context(site, order_id))


async def _context(site: Site, order_id: str) -> dict[str, Any]:
    async with site.live.watch(order_id) as watched:
        assert watched.placed is not None
        recorded = watched.in_order()
        document = order_document(watched.placed, watched.history, recorded) | {"trouble": watched.trouble}
    dead = await asyncio.to_thread(site.events.progress.failures, FailureState.DEAD, correlation=order_id)
    first = document["began"] or 0
    return {
        "order": document,
        "placed": watched.placed,
        "tree": tree(recorded),
        "first": first,
        "dead_letters": dead,
        "letters": await asyncio.to_thread(letters_of, site.events, recorded),
        "last": max(watched.events, default=0),
    }


async def stream(request: Request) -> Response | OrderStream:
    given = request.headers.get("last-event-id", request.query_params.get("after", "0"))
    if not given.isdecimal() or len(given) > 18:
        raise BadForm("Last-Event-ID is the id of an event of this stream")
    return OrderStream(site_of(request).live, order_id_in(request), int(given))


@shown_on(order)
async def cancel(request: Request) -> Response:
    site, order_id = site_of(request), order_id_in(request)
    form = await site.form(request)
    client = await site.clients.client_of(order_id)
    await client.cancel(order_id, form.get("reason"), identity_of(request).actor)
    return done(f"/orders/{order_id}", "The order is being cancelled: what was done is undone.")


ROUTES = [
    Route("/orders", index),
    Route("/orders/{order_id}", order),
    Route("/orders/{order_id}/events", stream),
    Route("/orders/{order_id}/cancel", cancel, methods=["POST"]),
]
