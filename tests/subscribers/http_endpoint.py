"""An outside system that takes webhooks, and checks each as its authors recommend."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import pytest
from standardwebhooks import Webhook

from messaging.subscription import Subscription
from subscribers.webhooks import webhooks
from tests.subscribers.processes import Place

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)


class HttpEndpoint:
    """Answers as prepared, and then 204; a request whose signature is wrong is answered 401, and not kept."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked = 0
        self.headers: list[dict[str, str]] = []
        self.events: list[dict[str, Any]] = []
        self.is_slow = False
        self._end = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, headers: dict[str, str], body: bytes) -> Answer:
        self.asked += 1
        if self.is_slow:
            self._end.wait()
        try:
            Webhook(SECRET).verify(body, headers)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not taken
            return Answer(401)
        self.headers.append(headers)
        answer = self.answers.pop(0) if self.answers else Answer(204)
        if 200 <= answer.status < 300:
            self.events.append(json.loads(body))
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = endpoint._take({name.lower(): value for name, value in self.headers.items()}, body)
                try:
                    self.send_response(answer.status)
                    for name, value in {"content-length": "0", **answer.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                except OSError:
                    pass  # the client has gone

            def log_message(self, format: str, *args: Any) -> None:
                """Not on the tests' output."""

        return Handler


def to(url: str, **options: Any) -> dict[str, Any]:
    """An endpoint's configuration."""
    return {"name": "shop-watch", "url": url, "secret": SECRET, "allow_http": True} | options


def subscribed(place: Place, monkeypatch: pytest.MonkeyPatch, *endpoints: dict[str, Any]) -> list[Subscription]:
    monkeypatch.setenv("WEBHOOKS", json.dumps(endpoints))
    return list(webhooks(place))
