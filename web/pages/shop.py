"""The shop: the catalogue, and a form that places an order in either style."""

import asyncio
import uuid

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from client.order import Order
from kernel.contracts import Style
from kernel.environment import one_line
from web.forms import BadForm, Form, shown_on, typed_in
from web.site import done, site_of
from wiring.catalogue import read_catalogue

CARDS = {
    "tok_visa": "Visa, good",
    "tok_mastercard": "Mastercard, good",
    "tok_chargeDeclined": "declined",
    "tok_chargeDeclinedInsufficientFunds": "declined: insufficient funds",
    "tok_chargeDeclinedExpiredCard": "declined: expired",
}


async def shop(request: Request) -> Response:
    site, typed = site_of(request), typed_in(request).form
    offers = await asyncio.to_thread(read_catalogue, site.settings)
    # A reload, a second click and the way back place the same order: its id is in the form.
    order_id = typed.get("order_id") or f"web-{uuid.uuid4().hex[:12]}"
    return site.page(request, "shop.html", offers=offers, cards=CARDS, styles=list(Style), order_id=order_id)


@shown_on(shop)
async def place(request: Request) -> Response:
    site = site_of(request)
    form = await site.form(request)
    order, style = _order(form), _style(form)
    await (await site.clients.client(style)).place(order)
    return done(f"/orders/{order.order_id}")


def _style(form: Form) -> Style:
    try:
        return Style(form.get("style", Style.ORCHESTRATION))
    except ValueError as error:
        raise BadForm(str(error)) from None


def _order(form: Form) -> Order:
    """Raises BadForm."""
    quantities = {sku: form.get(f"quantity-{sku}") for sku in form.all("sku")}
    lines = [{"sku": sku, "quantity": _pieces(text)} for sku, text in quantities.items() if text not in ("", "0")]
    if not lines:
        raise BadForm("choose at least one piece of something")
    ship_to = {name: form.get(name) for name in ("name", "street", "postal_code", "city", "country")}
    document = {"order_id": form.get("order_id"), "customer_id": form.get("customer_id"), "lines": lines}
    try:
        return Order.model_validate(document | {"payment_token": form.get("payment_token"), "ship_to": ship_to})
    except ValidationError as error:
        raise BadForm(one_line(error)) from None


def _pieces(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise BadForm(f"'{text[:20]}' is not a whole number of pieces")
    return int(text)


ROUTES = [
    Route("/shop", shop),
    Route("/shop", place, methods=["POST"]),
]
