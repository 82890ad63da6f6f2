"""What becomes of an event that an endpoint does not take, or that is not noted; and how often it is asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Thread

import pytest

from kernel.inbox import inbox
from messaging.subscription import NonRetryable, Subscription, Unavailable
from subscribers import delivery_log
from subscribers.delivery_log import newest
from subscribers.rate_limit import RateLimit
from subscribers.webhooks import Deliveries, Endpoint, NotAccepted
from tests.conftest import free_port
from tests.subscribers.http_endpoint import Answer, HttpEndpoint, subscribed, to
from tests.subscribers.processes import DiesOnce, Place, deliver, deliver_until_handled, recorded
from tests.subscribers.samples import completed

FIRST = recorded(completed()[:1])


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_what_is_not_accepted_is_tried_again(subscription: Subscription, endpoint: HttpEndpoint, status: int) -> None:
    endpoint.answers = [Answer(status)]
    with pytest.raises(NotAccepted, match=str(status)):
        deliver(subscription, FIRST)
    deliver(subscription, FIRST)
    assert len(endpoint.events) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_what_is_accepted_is_not_sent_again(subscription: Subscription, endpoint: HttpEndpoint, status: int) -> None:
    endpoint.answers = [Answer(status)]
    deliver(subscription, FIRST)
    deliver(subscription, FIRST)
    assert endpoint.asked == 1


def test_who_wants_no_more_is_not_asked_again(subscription: Subscription, endpoint: HttpEndpoint) -> None:
    endpoint.answers = [Answer(410)]
    with pytest.raises(NonRetryable, match="410"):
        deliver(subscription, FIRST)


def test_an_endpoint_that_is_down_gets_the_event_when_it_is_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    [to_nobody] = subscribed(place, monkeypatch, to(f"http://127.0.0.1:{free_port()}/"))
    with pytest.raises(NotAccepted, match="ConnectError"):
        deliver(to_nobody, FIRST)
    with HttpEndpoint() as endpoint:
        [subscription] = subscribed(place, monkeypatch, to(endpoint.url))
        deliver(subscription, FIRST)
        assert len(endpoint.events) == 1


def test_an_endpoint_that_does_not_answer_in_time_is_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, endpoint: HttpEndpoint
) -> None:
    [subscription] = subscribed(place, monkeypatch, to(endpoint.url, timeout=0.05))
    endpoint.is_slow = True
    with pytest.raises(NotAccepted, match="ReadTimeout"):
        deliver(subscription, FIRST)


@pytest.mark.parametrize(("nth", "committed"), [(1, False), (1, True), (2, True)])
def test_an_event_is_delivered_once_if_the_database_is_lost_before_or_after(
    context: Place, subscription: Subscription, endpoint: HttpEndpoint, nth: int, committed: bool
) -> None:
    deliver_with_loss(context, subscription, endpoint, nth, committed=committed)
    assert endpoint.asked == 1


def test_an_event_accepted_but_not_noted_is_delivered_again_under_its_webhook_id(
    context: Place, subscription: Subscription, endpoint: HttpEndpoint
) -> None:
    deliver_with_loss(context, subscription, endpoint, nth=2, committed=False)
    first, again = endpoint.headers
    assert first["webhook-id"] == again["webhook-id"]
    assert endpoint.events[0] == endpoint.events[1]


def deliver_with_loss(
    place: Place, subscription: Subscription, endpoint: HttpEndpoint, nth: int, *, committed: bool
) -> None:
    lost_once = DiesOnce(place.database("webhooks"), nth, committed=committed)
    unlucky = Deliveries(Endpoint.model_validate(to(endpoint.url)), lost_once, RateLimit(1000))
    deliver_until_handled(replace(subscription, handle=unlucky.handle), FIRST)
    assert lost_once.died


def test_the_pauses_are_the_endpoints_own(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"first_pause": 2, "longest_pause": 5, "give_up_after": 60}
    [subscription] = subscribed(place, monkeypatch, to("http://127.0.0.1/", **options))
    retry_policy = subscription.retry_policy(FIRST[0].event)
    assert [retry_policy.pause(attempts) for attempts in (1, 2, 3)] == [2, 4, 5]
    assert retry_policy.give_up_after == 60


def test_an_endpoint_that_says_when_to_come_back_is_obeyed_once(
    subscription: Subscription, endpoint: HttpEndpoint
) -> None:
    endpoint.answers = [Answer(429, {"retry-after": "120"})]
    usual = subscription.retry_policy(FIRST[0].event).pause(1)
    with pytest.raises(NotAccepted):
        deliver(subscription, FIRST)
    assert [subscription.retry_policy(FIRST[0].event).pause(1) for _ in range(2)] == [120, usual]


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        (format_datetime(datetime.now(UTC) + timedelta(hours=10), usegmt=True), 600, 600),
        (format_datetime(datetime.now(UTC) - timedelta(hours=10), usegmt=True), 1, 1),
        ("9" * 500, 600, 600),
        ("0", 1, 1),
        ("-5", 1, 1),
        ("soon", 1, 1),
        ("Sun, 01 Mar 2026 12:00:00", 1, 1),
    ],
    ids=["far ahead", "long ago", "huge", "zero", "negative", "no date", "no time zone"],
)
def test_whatever_it_says_the_pause_stays_within_bounds(
    subscription: Subscription, endpoint: HttpEndpoint, retry_after: str, least: float, most: float
) -> None:
    endpoint.answers = [Answer(503, {"retry-after": retry_after})]
    with pytest.raises(NotAccepted):
        deliver(subscription, FIRST)
    assert least <= subscription.retry_policy(FIRST[0].event).pause(1) <= most


def test_an_endpoint_is_not_asked_more_often_than_it_may_be(place: Place, endpoint: HttpEndpoint) -> None:
    turns: list[float] = []
    rate_limit = RateLimit(4, clock=lambda: 0.0, sleep=turns.append)
    database = place.database("webhooks")
    database.alone(inbox.metadata.create_all)
    database.alone(delivery_log.make)
    deliveries = Deliveries(Endpoint.model_validate(to(endpoint.url)), database, rate_limit).subscription()
    log = recorded([*completed("a"), *completed("b")])
    threads = [Thread(target=deliver, args=(deliveries, log[number::3])) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(endpoint.events) == len(log)
    assert sorted(turns) == [number / 4 for number in range(1, len(log))]


def test_what_was_delivered_before_needs_no_turn(place: Place, endpoint: HttpEndpoint) -> None:
    turns: list[float] = []
    database = place.database("webhooks")
    database.alone(inbox.metadata.create_all)
    database.alone(delivery_log.make)
    rate_limit = RateLimit(4, clock=lambda: 0.0, sleep=turns.append)
    deliveries = Deliveries(Endpoint.model_validate(to(endpoint.url)), database, rate_limit).subscription()
    for _ in range(3):
        deliver(deliveries, FIRST)
    assert turns == []


def test_each_attempt_is_in_the_delivery_log_without_the_events_data(
    context: Place, subscription: Subscription, endpoint: HttpEndpoint
) -> None:
    endpoint.answers = [Answer(503), Answer(204)]
    with pytest.raises(NotAccepted):
        deliver(subscription, FIRST)
    deliver(subscription, FIRST)
    accepted, refused = newest(context.database("webhooks"), 10)
    event = FIRST[0].event
    assert (accepted.event_id, accepted.order_id, accepted.problem) == (event.id, event.correlationid, "")
    assert (refused.event_id, refused.problem) == (event.id, "the endpoint answers 503")
    assert [one.problem for one in newest(context.database("webhooks"), 10, failed=True)] == [refused.problem]
    assert newest(context.database("webhooks"), 10, order="another") == []


@pytest.mark.parametrize(
    ("answer", "is_down"),
    [(Answer(500), True), (Answer(503, {"retry-after": "60"}), False), (Answer(404), False)],
    ids=["a server's error", "a wish", "no such hook"],
)
def test_only_an_endpoint_that_takes_nothing_at_all_is_down(
    subscription: Subscription, endpoint: HttpEndpoint, answer: Answer, is_down: bool
) -> None:
    endpoint.answers = [answer]
    with pytest.raises(NotAccepted) as raised:
        deliver(subscription, FIRST)
    assert isinstance(raised.value, Unavailable) is is_down


def test_an_event_that_was_accepted_can_be_sent_again_under_its_webhook_id(
    subscription: Subscription, endpoint: HttpEndpoint
) -> None:
    deliver(subscription, FIRST)
    assert subscription.forget_one is not None
    subscription.forget_one(FIRST[0].event)
    deliver(subscription, FIRST)
    first, again = endpoint.headers
    assert first["webhook-id"] == again["webhook-id"]
