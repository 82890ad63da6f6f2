"""What outside systems are sent, and what becomes of it when they do not take it."""

import pytest

from kernel.contracts import Style
from kernel.inbox import inbox
from messaging.subscription import Subscription
from subscribers.webhooks import NotAccepted, webhooks
from tests.databases import rows
from tests.subscribers.http_endpoint import Answer, HttpEndpoint, subscribed, to
from tests.subscribers.processes import Place, deliver, recorded
from tests.subscribers.samples import CARD, STREET, completed, created, declined, published

LOG = recorded(completed())
FIRST = LOG[:1]


def test_an_endpoint_gets_each_event_signed_and_once(subscription: Subscription, endpoint: HttpEndpoint) -> None:
    for _ in range(2):
        deliver(subscription, LOG)
    assert [event["id"] for event in endpoint.events] == [one.event.id for one in LOG]
    assert endpoint.asked == len(LOG)


def test_the_body_is_the_cloud_event_and_nothing_private(subscription: Subscription, endpoint: HttpEndpoint) -> None:
    deliver(subscription, FIRST)
    [event], [headers] = endpoint.events, endpoint.headers
    sent = FIRST[0].event.model_dump(mode="json")
    assert headers["content-type"] == "application/cloudevents+json"
    assert {**event, "data": ...} == {**sent, "data": ...}
    assert event["data"] == {key: sent["data"][key] for key in ("customer_id", "lines", "total")}
    assert CARD not in str(event)
    assert STREET not in str(event)


def test_who_has_another_secret_does_not_take_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    another = "whsec_" + "A" * 32
    [subscription] = subscribed(place, monkeypatch, to(endpoint.url, secret=another))
    with pytest.raises(NotAccepted, match="401"):
        deliver(subscription, FIRST)


def test_a_repeat_has_the_same_webhook_id_and_another_event_another(
    subscription: Subscription, endpoint: HttpEndpoint
) -> None:
    endpoint.answers = [Answer(500)]
    with pytest.raises(NotAccepted):
        deliver(subscription, FIRST)
    deliver(subscription, LOG[:2])
    failed, repeated, other = [headers["webhook-id"] for headers in endpoint.headers]
    assert failed == repeated != other
    assert "." not in failed  # the signature's separator


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(subscription: Subscription, endpoint: HttpEndpoint, status: int) -> None:
    with HttpEndpoint() as elsewhere:
        endpoint.answers = [Answer(status, {"location": elsewhere.url})]
        with pytest.raises(NotAccepted):
            deliver(subscription, FIRST)
        assert elsewhere.asked == 0


def test_each_endpoint_gets_what_it_wants_whatever_the_others_answer(
    context: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    with HttpEndpoint() as broken:
        failing, choosing = subscribed(
            context,
            monkeypatch,
            to(broken.url, name="broken"),
            to(endpoint.url, name="ends", types=["OrderComp*", "OrderRejected"], content={"style": ["choreography"]}),
        )
        broken.answers = [Answer(500)]
        with pytest.raises(NotAccepted):
            deliver(failing, FIRST)
        ended = completed("a", style=Style.CHOREOGRAPHY) + declined("b", style=Style.CHOREOGRAPHY) + completed("c")
        deliver(choosing, recorded(ended))
        deliver(failing, recorded(ended)[:1])
    assert (failing.name, choosing.name) == ("webhook-broken", "webhook-ends")
    assert [event["id"] for event in endpoint.events] == ["a:OrderCompleted", "b:OrderRejected"]
    assert [event["id"] for event in broken.events] == ["a:OrderCreated"]


def test_two_endpoints_get_the_same_event(
    context: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    with HttpEndpoint() as other:
        both = subscribed(context, monkeypatch, to(endpoint.url, name="one"), to(other.url, name="two"))
        for subscription in both:
            deliver(subscription, FIRST)
        assert endpoint.events == other.events != []


def test_nothing_of_an_events_data_is_kept(context: Place, subscription: Subscription) -> None:
    deliver(subscription, FIRST)
    assert rows(context.database("webhooks"), inbox, "type", "data") == [("OrderCreated", "{}")]


def test_an_event_with_a_very_long_id_is_noted_too(subscription: Subscription, endpoint: HttpEndpoint) -> None:
    for _ in range(2):
        deliver(subscription, recorded([published(created(), event_id="x" * 200)]))
    assert endpoint.asked == 1


def test_who_has_no_endpoints_needs_no_database(place: Place) -> None:
    assert list(webhooks(place)) == []
    assert not list(place.data_dir.glob("*.db"))
