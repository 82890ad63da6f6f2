"""Forms: their fields, and their errors, which are shown on the form with what was typed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from client.errors import NoSuchOrder
from kernel.environment import one_line
from kernel.errors import SettingsError, Unreachable, UserError
from messaging.bus import BusDown
from wiring.failures import PASSING


class BadForm(UserError):
    """A form's content is invalid."""


@dataclass(frozen=True)
class Form:
    fields: Mapping[str, list[str]] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        return self.fields.get(name, [default])[0].strip()

    def all(self, name: str) -> list[str]:
        return self.fields.get(name, [])


@dataclass
class Typed:
    """What a visitor has sent, and why it was not accepted."""

    form: Form = field(default_factory=Form)
    problem: str = ""


Handler = Callable[[Request], Awaitable[Response]]


def shown_on(show: Handler) -> Callable[[Handler], Handler]:
    """If this handler of a form fails, answer with the form's page: `show` finds in `typed_in` what to keep."""

    def decorated(act: Handler) -> Handler:
        @wraps(act)
        async def handled(request: Request) -> Response:
            try:
                return await act(request)
            except PASSING as error:
                if not wants_html(request):
                    raise
                typed_in(request).problem = explained(error)
                response = await show(request)
                response.status_code = status_of(error)
                return response

        return handled

    return decorated


def typed_in(request: Request) -> Typed:
    """What this request's form was sent with; empty if it was not sent."""
    if not hasattr(request.state, "typed"):
        request.state.typed = Typed()
    typed: Typed = request.state.typed
    return typed


def wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def status_of(error: Exception) -> int:
    if isinstance(error, NoSuchOrder):
        return 404
    is_of_the_visitor = isinstance(error, UserError) and not isinstance(error, (Unreachable, SettingsError, BusDown))
    return 400 if is_of_the_visitor else 503


def explained(error: Exception) -> str:
    if isinstance(error, UserError):
        return error.for_user()
    return f"A server that is needed does not answer as it should: {one_line(error)[:200]}"
