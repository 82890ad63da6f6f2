"""Where a webhook may go, and how long it may take."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from standardwebhooks import Webhook

from subscribers.http_post import PostFailed, post
from subscribers.webhooks import NotAccepted
from tests.subscribers.http_endpoint import SECRET, HttpEndpoint, subscribed, to
from tests.subscribers.processes import Place, deliver, recorded
from tests.subscribers.samples import completed

FIRST = recorded(completed())[:1]
OTHER_SECRET = "whsec_" + "B" * 32


def points_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Every name is this address', as one who owns a name can have it."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *more, **options: resolve(address, *more, **options))


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    answer = post(endpoint.url, {}, "{}", seconds=20, link_local=False)
    assert answer.status == 401  # the endpoint itself, which misses a signature


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "100.100.100.200", "0.0.0.0"]
)
def test_a_name_that_points_to_a_link_local_address_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    points_to(monkeypatch, address)
    with pytest.raises(PostFailed, match=r"hook\.example is at .*, which is link-local: set allow_link_local"):
        post("http://hook.example/", {}, "{}", seconds=20, link_local=False)


def test_the_connection_goes_to_the_address_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    points_to(monkeypatch, "127.0.0.1")
    url = endpoint.url.replace("127.0.0.1", "hook.example")
    assert post(url, {}, "{}", seconds=20, link_local=False).status == 401
    assert endpoint.asked == 1


@contextmanager
def dripping(text: bytes) -> Iterator[str]:
    """A server that answers with these bytes, again and again, each before any time-out of a single read."""
    end = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not end.wait(0.05):
                    try:
                        connection.sendall(text)
                    except OSError:
                        return

        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            end.set()
            dripper.join()


@pytest.mark.parametrize("text", [b"x-more: and more\r\n", b"x"], ids=["headers", "bytes of a header"])
def test_an_answer_that_comes_in_drips_is_given_up_in_time(text: bytes) -> None:
    """It would go on without an end, if each read had the whole time."""
    with dripping(text) as url, pytest.raises(PostFailed, match=r"the exchange took too long|ReadTimeout"):
        post(url, {}, "{}", seconds=0.5, link_local=False)


@pytest.mark.parametrize("known", [SECRET, OTHER_SECRET])
def test_while_a_secret_is_changed_over_both_are_good(
    place: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint, known: str
) -> None:
    secrets: dict[str, Any] = {"secret": OTHER_SECRET, "previous_secret": SECRET}
    [subscription] = subscribed(place, monkeypatch, to(endpoint.url, **secrets))
    deliver(subscription, FIRST)
    [event], [headers] = endpoint.events, endpoint.headers
    assert event["id"] == FIRST[0].event.id
    assert len(headers["webhook-signature"].split()) == 2
    Webhook(known)  # a secret that the library takes


def test_with_the_new_secret_alone_the_old_one_is_not_good(
    place: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    [subscription] = subscribed(place, monkeypatch, to(endpoint.url, secret=OTHER_SECRET))
    with pytest.raises(NotAccepted, match="401"):
        deliver(subscription, FIRST)
