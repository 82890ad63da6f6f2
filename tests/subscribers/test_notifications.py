"""Which mails customers get, whatever happens meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from kernel.database import Storage
from kernel.inbox import inbox
from messaging.subscription import NonRetryable
from services.payments.events import PaymentRefunded
from services.shipping.events import Shipped
from subscribers.mail import EmlFolder, Mail, Mailer, SmtpServer
from subscribers.notifications import Notifications, NotificationSettings, waiting
from tests.databases import Databases, rows
from tests.services.together import wait_until_blocked
from tests.subscribers.mailbox import notifying, subjects
from tests.subscribers.processes import DiesOnce, Held, Place, deliver, deliver_until_handled, recorded
from tests.subscribers.samples import (
    CARD,
    STREET,
    called_back,
    completed,
    created,
    declined,
    fraud,
    money,
    never_on_record,
    published,
    undeliverable,
)
from tests.subscribers.smtp_server import SmtpUnderTest

DEFAULT = NotificationSettings()
STORIES = {
    "completed": (completed(), ["We have your order order-1", "Your parcel with order order-1 is booked"]),
    "declined": (declined(), ["We cannot fulfil your order order-1", "We have your order order-1"]),
    "undeliverable": (
        undeliverable(),
        ["We cannot fulfil your order order-1", "We have your order order-1", "Your money for order order-1"],
    ),
    "fraud": (
        fraud(),
        ["We are looking at your order order-1", "We cannot fulfil your order order-1", "We have your order order-1"],
    ),
    "called back": (
        called_back(),
        [
            "We have your order order-1",
            "Your money for order order-1",
            "Your order order-1 is cancelled",
            "Your parcel with order order-1 is booked",
        ],
    ),
    "never on record": (never_on_record(), []),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_customer_learns_what_happens_to_the_order(context: Place, story: str) -> None:
    events, expected = STORIES[story]
    deliver(notifying(context), recorded(events))
    assert subjects(context.data_dir) == expected


@given(story=st.sampled_from(sorted(STORIES)), data=st.data())
def test_whatever_comes_first_or_twice_each_mail_is_sent_once(story: str, data: st.DataObject) -> None:
    events, expected = STORIES[story]
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=4))
    order = data.draw(st.permutations([*events, *repeats]))
    with TemporaryDirectory() as folder:
        databases = Databases(lambda _name: "sqlite://")
        try:
            deliver(notifying(Place(Path(folder), databases)), recorded(order))
        finally:
            databases.close()
        assert subjects(Path(folder)) == expected


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_whenever_the_database_is_lost_there_is_one_mail_of_each_kind(
    context: Place, nth: int, committed: bool
) -> None:
    shipped_first = sorted(completed(), key=lambda event: event.type, reverse=True)
    database = context.database("notifications")
    mailer = EmlFolder(context.data_dir / "mail", DEFAULT.sender)
    lost_once = DiesOnce(database, nth, committed=committed)
    unlucky = Notifications(lost_once, mailer, DEFAULT)
    deliver_until_handled(replace(notifying(context), handle=unlucky.handle), recorded(shipped_first))
    assert lost_once.died
    assert subjects(context.data_dir) == STORIES["completed"][1]


class DiesAt:
    """A mailer whose process dies at the nth mail, before or after it is sent."""

    is_idempotent = True

    def __init__(self, mailer: Mailer, nth: int, *, sent: bool) -> None:
        self._mailer = mailer
        self._left = nth
        self._sent = sent

    def send(self, mail: Mail) -> None:
        self._left -= 1
        if self._left or self._sent:
            self._mailer.send(mail)
        if not self._left:
            raise ConnectionError("the process died")


@pytest.mark.parametrize("died", ["at the mail", "after the mail", "before the commit", "after the commit"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_wherever_a_batch_dies_there_is_one_mail_of_each_kind(context: Place, nth: int, died: str) -> None:
    """The batch is delivered again, as by the next process. Some mails of it wait for their customer."""
    batch = recorded(sorted(called_back(), key=lambda event: event.type, reverse=True))
    whole = notifying(context)
    batch = [one for one in batch if whole.rule.fits(one.event)]
    assert whole.handle_all
    mailer: Mailer = EmlFolder(context.data_dir / "mail", DEFAULT.sender)
    database: Storage = context.database("notifications")
    if died.endswith("mail"):
        mailer = DiesAt(mailer, nth, sent=died == "after the mail")
    else:
        database = DiesOnce(context.database("notifications"), nth, committed=died == "after the commit")
    with suppress(ConnectionError, OperationalError):
        Notifications(database, mailer, DEFAULT).handle_all(batch)
    for _ in range(2):  # and once more, as after a replay
        whole.handle_all(batch)
    assert subjects(context.data_dir) == STORIES["called back"][1]
    assert rows(context.database("notifications"), waiting, "event_id") == []


def test_by_smtp_mails_are_sent_and_recorded_one_by_one(
    sqlite_databases: Databases, tmp_path: Path, smtp_server: SmtpUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a batch that fails, the mails that were sent would be sent again."""
    monkeypatch.setenv("NOTIFICATIONS__SMTP_URL", smtp_server.url)
    assert notifying(Place(tmp_path, sqlite_databases)).handle_all is None


def test_a_mail_sent_again_after_a_crash_is_known_by_its_message_id(
    sqlite_databases: Databases, tmp_path: Path, smtp_server: SmtpUnderTest
) -> None:
    whole = notifying(Place(tmp_path, sqlite_databases))
    before_it_was_noted = DiesOnce(sqlite_databases.open("notifications"), nth=2, committed=False)
    unlucky = Notifications(before_it_was_noted, SmtpServer(smtp_server.url, DEFAULT.sender, 5), DEFAULT)
    deliver_until_handled(replace(whole, handle=unlucky.handle), recorded(completed()[:1]))
    first, again = smtp_server.mails
    assert first["Message-ID"] == again["Message-ID"]
    assert first.as_bytes() == again.as_bytes()


def test_what_was_mailed_is_not_mailed_again(
    sqlite_databases: Databases, tmp_path: Path, smtp_server: SmtpUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFICATIONS__SMTP_URL", smtp_server.url)
    subscription = notifying(Place(tmp_path, sqlite_databases))
    for _ in range(3):
        deliver(subscription, recorded(completed()))
    assert [mail["Subject"] for mail in smtp_server.mails] == STORIES["completed"][1]


def test_a_mail_that_waited_for_its_customer_is_sent_once(
    sqlite_databases: Databases, tmp_path: Path, smtp_server: SmtpUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFICATIONS__SMTP_URL", smtp_server.url)
    refunded, *others = sorted(called_back(), key=lambda event: event.type != "PaymentRefunded")
    deliver(notifying(Place(tmp_path, sqlite_databases)), recorded([refunded, *others, refunded]))
    assert sorted(mail["Subject"] for mail in smtp_server.mails) == STORIES["called back"][1]


def test_a_refused_mail_is_no_hindrance_to_the_next(
    sqlite_databases: Databases, tmp_path: Path, smtp_server: SmtpUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFICATIONS__SMTP_URL", smtp_server.url)
    subscription = notifying(Place(tmp_path, sqlite_databases))
    smtp_server.answers_to_recipients.append("550 the mailbox is full of holes")
    with pytest.raises(NonRetryable):
        deliver(subscription, recorded(completed()[:1]))
    deliver(subscription, recorded(completed()[1:]))
    assert [mail["Subject"] for mail in smtp_server.mails] == ["Your parcel with order order-1 is booked"]


def test_neither_card_nor_address_is_kept(context: Place) -> None:
    deliver(notifying(context), recorded(completed()))
    kept = str(rows(context.database("notifications"), inbox, "event_id", "data"))
    assert "order-1:OrderCreated" in kept
    assert CARD not in kept
    assert STREET not in kept


def test_what_nobody_will_be_mailed_does_not_wait_permanently(context: Place) -> None:
    refunded = published(PaymentRefunded(had_effect=True, amount=money()))
    deliver(notifying(context), recorded([refunded, *never_on_record("order-2"), never_on_record()[1]]))
    assert rows(context.database("notifications"), waiting, "event_id") == []
    assert subjects(context.data_dir) == []


def test_a_refund_of_nothing_is_no_news(context: Place) -> None:
    events = [published(created()), published(PaymentRefunded(had_effect=False))]
    deliver(notifying(context), recorded(events))
    assert subjects(context.data_dir) == ["We have your order order-1"]


def test_of_two_events_at_the_same_moment_the_later_one_sends_both_mails(
    postgresql_databases: Databases, tmp_path: Path
) -> None:
    place = Place(tmp_path, postgresql_databases)
    whole, database = notifying(place), place.database("notifications")
    held = Held(database)
    early = replace(whole, handle=Notifications(held, EmlFolder(tmp_path / "mail", DEFAULT.sender), DEFAULT).handle)
    first, shipped = recorded(completed())[0], recorded(completed())[4]
    with ThreadPoolExecutor(2) as threads:
        shipping = threads.submit(deliver, early, [shipped])
        assert held.is_held.wait(20)
        ordering = threads.submit(deliver_until_handled, whole, [first])
        wait_until_blocked(database, 1)
        held.let_go.set()
        shipping.result()
        ordering.result()
    assert subjects(tmp_path) == STORIES["completed"][1]


def test_an_order_of_which_only_a_part_was_received_sends_nothing_yet(context: Place) -> None:
    early = [
        published(Shipped(tracking_number="TRACK-1", country="NL")),
        published(PaymentRefunded(had_effect=True, amount=money())),
    ]
    subscription = notifying(context)
    deliver(subscription, recorded(early))
    assert subjects(context.data_dir) == []
    deliver(subscription, recorded([published(created())]))
    assert len(subjects(context.data_dir)) == 3
