"""What the mails say, and to whom they go."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.notifications import NotificationSettings
from tests.subscribers.mailbox import mail_about, mails, notifying
from tests.subscribers.processes import Place, deliver, recorded
from tests.subscribers.samples import called_back, completed, created, fraud, published, undeliverable

PROMISES = r"paid|back|refund|money|card"
DEFAULT = NotificationSettings()


def test_the_mails_say_what_a_customer_wants_to_know(context: Place) -> None:
    log = [*completed("a"), *undeliverable("b"), *fraud("c")]
    deliver(notifying(context), recorded(log))
    folder = context.data_dir
    assert "2 × mug, 12.00 EUR each" in mail_about(folder, "We have your order a")
    assert "Total: 24.00 EUR" in mail_about(folder, "We have your order a")
    assert "TRACK-1" in mail_about(folder, "Your parcel with order a is booked")
    assert "24.00 EUR" in mail_about(folder, "Your money for order b")
    assert "cannot deliver to your address" in mail_about(folder, "We cannot fulfil your order b")
    assert "raud" not in mail_about(folder, "We cannot fulfil your order c")


def test_only_the_mail_about_a_refund_is_about_money(context: Place) -> None:
    """The others come before it, after it, or without it: an order may end while its refund waits for an operator."""
    deliver(notifying(context), recorded([*undeliverable("b"), *fraud("c"), *called_back("d")]))
    about_money = {mail["Subject"] for mail in mails(context.data_dir) if re.search(PROMISES, mail.get_content())}
    assert about_money == {"Your money for order b", "Your money for order d"}
    assert mail_about(context.data_dir, "Your order d is cancelled")


def test_each_customer_gets_the_mails_of_their_own_order(context: Place) -> None:
    log = [*completed("a", customer="customer-1"), *completed("b", customer="customer-2")]
    deliver(notifying(context), recorded(log))
    found = [mail for mail in mails(context.data_dir) if "have" in mail["Subject"]]
    assert {(mail["To"], mail["Subject"].split()[-1]) for mail in found} == {
        ("customer-1@example.com", "a"),
        ("customer-2@example.com", "b"),
    }


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=100))
def test_whatever_customers_are_called_their_address_is_one_address(customer: str) -> None:
    address = DEFAULT.address_of(customer)
    local, domain = address.split("@")
    assert domain == "example.com"
    assert 0 < len(local) <= 64
    assert set(local) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-=")


@pytest.mark.parametrize(
    "customer",
    [
        "a@evil.example, b",
        "x\r\nBcc: all@example.com",
        '"><b>',
        "=?utf-8?q?x?=",
        "a b",
        "..",
        "Ärger",
        "ABC",
        "x" * 100,
    ],
)
def test_a_customers_name_adds_neither_header_nor_recipient(place: Place, customer: str) -> None:
    deliver(notifying(place), recorded([published(created(customer))]))
    [mail] = mails(place.data_dir)
    assert mail["Bcc"] is None
    [address] = mail["To"].addresses
    assert address.domain == "example.com"
    assert not mail.defects


def test_no_two_customers_share_an_address() -> None:
    alike = ["a-sample", "A-Sample", "a sample", "A. Sample", "a.sample", "x" * 40, "x" * 41, "X" * 41]
    alike += [DEFAULT.address_of(name).partition("@")[0] for name in ("A. Sample", "x" * 41)]
    assert len({DEFAULT.address_of(name) for name in alike}) == len(alike)
