"""The process' HTTP port, served by its own threads: `/metrics`, `/healthz` and `/readyz`."""

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

_TIMEOUT_SECONDS = 10


class Answer(NamedTuple):
    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


Route = Callable[[], Answer]


class Server:
    """Serves these routes.

    Raises:
        OSError: the address cannot be used.
    """

    def __init__(self, host: str, port: int, routes: Mapping[str, Route]) -> None:
        self._server = _Server((host, port), _handler(routes))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="observability")
        self._thread.daemon = True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _handler(routes: Mapping[str, Route]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_SECONDS
        server_version, sys_version = "order-saga", ""

        def do_GET(self) -> None:
            route = routes.get(self.path.partition("?")[0])
            answer = route() if route else Answer(f"there is: {', '.join(routes)}\n".encode(), HTTPStatus.NOT_FOUND)
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_HEAD = do_GET  # noqa: N815 - http.server's name

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a probe comes every few seconds."""

    return Handler
