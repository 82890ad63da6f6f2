"""An order's events and state as server-sent events; docs/page.md describes the stream.

A browser that does not read is disconnected; it reconnects automatically, with `Last-Event-ID`.
"""

import asyncio
from collections.abc import Iterator

from starlette.types import Message, Receive, Scope, Send

from web.live import Live, Watched
from web.story import as_json, event_document, order_document

_STILL_HERE_SECONDS = 15.0
_SEND_SECONDS = 10.0
_RETRY_MILLISECONDS = 1_000


class OrderStream:
    """A response. Args: after: the position of the last event that the browser has."""

    def __init__(self, live: Live, order_id: str, after: int) -> None:
        self._live = live
        self._order_id = order_id
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        async with self._live.watch(self._order_id) as watched:
            await self._stream(watched, receive, send)

    async def _stream(self, watched: Watched, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        leaving = asyncio.create_task(_left(receive))
        sending = asyncio.create_task(self._send_all(watched, send))
        try:
            await asyncio.wait([leaving, sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.wait([leaving, sending])
        if not sending.cancelled():
            sending.result()

    async def _send_all(self, watched: Watched, send: Send) -> None:
        version = -1
        text = f"retry: {_RETRY_MILLISECONDS}\n\n"
        if self._after > max(watched.events, default=0):
            self._after = 0  # another log is in its place
            text += "event: reset\ndata: {}\n\n"
        while not self._live.is_stopped:
            if version != watched.version:
                version = watched.version
                text += "".join(self._news(watched))
            if not await _sent(send, text or ": still here\n\n"):
                return
            text = ""
            await watched.news(version, _STILL_HERE_SECONDS)
        await _sent(send, "", more=False)

    def _news(self, watched: Watched) -> Iterator[str]:
        new = watched.in_order(self._after)
        for one in new:
            yield f"id: {one.position}\nevent: event\ndata: {as_json(event_document(one))}\n\n"
            self._after = one.position
        if watched.placed:
            yield f"event: order\ndata: {watched.document(_order)}\n\n"


def _order(watched: Watched) -> str:
    assert watched.placed is not None
    return as_json(order_document(watched.placed, watched.history, watched.in_order()) | {"trouble": watched.trouble})


async def _sent(send: Send, text: str, *, more: bool = True) -> bool:
    message: Message = {"type": "http.response.body", "body": text.encode(), "more_body": more}
    try:
        async with asyncio.timeout(_SEND_SECONDS):
            await send(message)
    except (TimeoutError, OSError):
        return False
    return True


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
