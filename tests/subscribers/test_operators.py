"""Operators are notified of what needs them: once, and again when it is over, whatever fails or is restarted."""

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from sqlalchemy.exc import DBAPIError

from client.attention import AttentionEntry, AttentionKind, in_review, unseen
from kernel.contracts import Style
from kernel.database import Storage
from messaging.subscription import NonRetryable
from subscribers.mail import EmlFolder, Mail
from subscribers.operators import NAME, ByMail, ByWebhook, Channel, Notifier
from subscribers.webhooks import Endpoint
from tests.subscribers.http_endpoint import Answer, HttpEndpoint, to
from tests.subscribers.processes import DiesOnce, Place

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def held(order_id: str) -> AttentionEntry:
    return in_review(order_id, Style.CHOREOGRAPHY, "PossibleFraud: large amount", NOW, NOW + timedelta(days=1))


def notifier(database: Storage, *channels: Channel) -> Notifier:
    """As after a restart: nothing is known but by the database."""
    made = Notifier(database, channels)
    made.open()
    return made


def by_mail(context: Place) -> ByMail:
    return ByMail(EmlFolder(context.data_dir / "mail", "shop@example.com"), "night@example.com")


def by_webhook(endpoint: HttpEndpoint) -> ByWebhook:
    return ByWebhook(Endpoint(**to(endpoint.url)))


def mails(context: Place) -> list[EmailMessage]:
    files = (context.data_dir / "mail").glob("*.eml")
    found = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    return sorted(found, key=lambda mail: (mail["date"].datetime, mail["subject"]))


def subjects(context: Place) -> list[str]:
    return [mail["subject"] for mail in mails(context)]


def test_each_trouble_is_one_mail_and_one_more_when_it_is_over(context: Place) -> None:
    database, channel = context.database(NAME), by_mail(context)
    looks = [[held("ord-1")], [held("ord-1"), held("ord-2")], [held("ord-2")], [held("ord-2")], []]
    for minute, entries in enumerate(looks):
        assert notifier(database, channel).look(entries, NOW + timedelta(minutes=minute)) == {}
    assert subjects(context) == ["review: ord-1", "review: ord-2", "Over: review: ord-1", "Over: review: ord-2"]
    body = mails(context)[0].get_content().replace("\r\n", "\n")
    assert "do     starter.py review ord-1 approve\nor     starter.py review ord-1 decline\n" in body
    assert "why    PossibleFraud: large amount" in body


def test_what_comes_back_is_notified_of_again(context: Place) -> None:
    made = notifier(context.database(NAME), by_mail(context))
    for minute, entries in enumerate([[held("ord-1")], [], [held("ord-1")], []]):
        made.look(entries, NOW + timedelta(minutes=minute))
    assert subjects(context) == ["review: ord-1", "Over: review: ord-1"] * 2


def test_nothing_is_over_while_a_part_cannot_be_seen(context: Place) -> None:
    made = notifier(context.database(NAME), by_mail(context))
    hidden = unseen("dead letters", "no answer", "starter.py events dead-letters list")
    for minute, entries in enumerate([[held("ord-1")], [hidden], [held("ord-1")]]):
        made.look(entries, NOW + timedelta(minutes=minute))
    assert subjects(context) == ["review: ord-1", "unseen: dead letters", "Over: unseen: dead letters"]


@pytest.mark.parametrize("nth", range(1, 9))
@pytest.mark.parametrize("committed", [True, False])
def test_a_notifier_that_dies_misses_nothing_and_repeats_only_under_the_same_id(
    place: Place, endpoint: HttpEndpoint, nth: int, committed: bool
) -> None:
    database = place.database(NAME)
    notifier(database)
    dying = DiesOnce(database, nth, committed=committed)
    for minute, entries in enumerate([[held("ord-1")], [held("ord-1")], [], []]):
        at = NOW + timedelta(minutes=minute)
        while True:
            try:
                notifier(dying, by_mail(place), by_webhook(endpoint)).look(entries, at)
                break
            except DBAPIError:
                continue
    assert subjects(place) == ["review: ord-1", "Over: review: ord-1"]
    ids = [headers["webhook-id"] for headers in endpoint.headers]
    types = dict(zip(ids, [event["type"] for event in endpoint.events], strict=True))
    assert sorted(types.values()) == ["attention.began", "attention.over"]


def test_a_channel_that_is_down_is_tried_again_and_holds_up_no_other(context: Place, endpoint: HttpEndpoint) -> None:
    endpoint.answers = [Answer(503)]
    made = notifier(context.database(NAME), by_webhook(endpoint), by_mail(context))
    assert made.look([held("ord-1"), held("ord-2")], NOW).keys() == {"webhook"}
    assert endpoint.asked == 1
    assert len(mails(context)) == 2
    assert made.look([held("ord-1"), held("ord-2")], NOW) == {}
    assert [event["data"]["subject"] for event in endpoint.events] == ["ord-1", "ord-2"]
    assert len(mails(context)) == 2


def test_what_is_refused_for_good_is_logged_and_not_tried_again(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    class Refuses:
        is_idempotent = False

        def __init__(self) -> None:
            self.asked = 0

        def send(self, mail: Mail) -> None:
            self.asked += 1
            raise NonRetryable("the mail server answered 550 no such mailbox")

    mailer = Refuses()
    made = notifier(place.database(NAME), ByMail(mailer, "nobody@example.com"))
    for _ in range(2):
        assert made.look([held("ord-1")], NOW) == {}
    assert mailer.asked == 1
    assert "550 no such mailbox" in caplog.text


def test_a_notice_has_nothing_that_acts_and_no_token(place: Place, endpoint: HttpEndpoint) -> None:
    hostile = held("ord-1").model_copy(
        update={"kind": AttentionKind.QUARANTINED, "subject": "a\r\nBcc: all@example.com", "why": "\x1b[31m tok_visa"}
    )
    made = notifier(place.database(NAME), by_mail(place), by_webhook(endpoint))
    assert made.look([hostile], NOW) == {}
    [mail] = mails(place)
    assert mail["bcc"] is None
    assert mail["subject"] == "quarantined: a\\r\\nBcc: all@example.com"
    assert "why    \\x1b[31m tok_…" in mail.get_content().splitlines()
    assert "tok_visa" not in json.dumps(endpoint.events)
