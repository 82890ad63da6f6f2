"""What all pages share, and the handling of forms."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from client.attention import AttentionEntry
from messaging.lag import Lag
from services.orders.contracts import OrderId
from settings import Settings
from web.bulk import BulkRuns
from web.desk import Desk
from web.forms import BadForm, Form, typed_in
from web.identity import Identities, Identity
from web.live import Live
from web.shared import Shared
from web.stage import Stage
from wiring.bus import EventBus
from wiring.clients import Clients

_TEMPLATES = Path(__file__).with_name("templates")
_ORDER_ID = TypeAdapter[str](OrderId)
_MOST_FIELDS = 1_200
NOTICE = "notice"


@dataclass(frozen=True)
class Site:
    """The parts that pages use. `stage` is the laboratory's; a deployed page has none."""

    settings: Settings
    events: EventBus
    clients: Clients
    live: Live
    identities: Identities
    stage: Stage | None
    attention: Shared[list[AttentionEntry]]
    lags: Shared[list[Lag]]
    desk: Desk
    bulk_runs: BulkRuns
    templates: Jinja2Templates

    def page(self, request: Request, template: str, *, code: int = 200, **context: Any) -> Response:
        identity = identity_of(request)
        notice = request.cookies.get(NOTICE, "")
        context |= {
            "actor": identity.actor,
            "form_token": self.identities.form_token(identity.visitor),
            "logs_in": self.identities.logs_in,
            "notice": _unpacked(notice),
            "path": request.url.path,
            "typed": typed_in(request).form,
            "problem": typed_in(request).problem,
        }
        response = self.templates.TemplateResponse(request, template, context, status_code=code)
        if notice:
            response.delete_cookie(NOTICE)
        return response

    async def form(self, request: Request) -> Form:
        """The fields of an authenticated form, which `typed_in` has from now on. Raises BadForm."""
        data = await request.form(max_files=0, max_fields=_MOST_FIELDS)
        form = Form({name: [str(one) for one in data.getlist(name)] for name in data})
        typed_in(request).form = form
        if not self.identities.is_own_form(identity_of(request).visitor, form.get("form_token")):
            raise BadForm("this form is not of this browser's session: load the page again, and repeat it")
        return form


def site_of(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def identity_of(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


def order_id_in(request: Request) -> str:
    """The path's. Raises BadForm."""
    return checked_order_id(str(request.path_params["order_id"]))


def checked_order_id(text: str) -> str:
    """Raises BadForm."""
    try:
        return _ORDER_ID.validate_python(text)
    except ValidationError:
        raise BadForm(
            "an order's id is 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit"
        ) from None


def done(to: str, notice: str = "") -> Response:
    """Redirect after a form, so that a reload does not send it again."""
    response = RedirectResponse(to, 303)
    if notice:
        response.set_cookie(NOTICE, json.dumps(notice), max_age=60, httponly=True, samesite="lax")
    return response


def _unpacked(notice: str) -> str:
    try:
        return str(json.loads(notice)) if notice else ""
    except ValueError:
        return ""


def templates() -> Jinja2Templates:
    """Templates that escape all values."""
    made = Jinja2Templates(directory=_TEMPLATES)
    made.env.trim_blocks = made.env.lstrip_blocks = True
    return made
