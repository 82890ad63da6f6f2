"""A bad value is one line that says which, and what would do; and no secret is in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from kernel.errors import SettingsError
from subscribers.notifications import NotificationSettings
from subscribers.webhooks import WebhookSettings
from tests.subscribers.http_endpoint import SECRET

GOOD = {"name": "shop", "url": "https://example.com/hook", "secret": SECRET}


def complaint(kind: type[NotificationSettings] | type[WebhookSettings]) -> str:
    with pytest.raises(SettingsError) as raised:
        kind.read()
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_with_nothing_configured_there_is_a_default_for_everything() -> None:
    assert NotificationSettings.read().address_of("customer-1") == "customer-1@example.com"
    assert WebhookSettings.read().webhooks == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SMTP_URL", "http://user:hush@mail.example.com", "NOTIFICATIONS__SMTP_URL: must be smtp://"),
        ("SMTP_URL", "smtp://user:hush@mail.example.com:mail", "NOTIFICATIONS__SMTP_URL: is not a URL such as smtp://"),
        ("SENDER", "Shop\nBcc: all@example.com", "NOTIFICATIONS__SENDER: "),
        ("SENDER", "shop", "NOTIFICATIONS__SENDER: "),
        ("ADDRESS", "shop@example.com", "NOTIFICATIONS__ADDRESS: must be an address with {customer_id}"),
        ("ADDRESS", "{customer_id}@example.com\nBcc: all@example.com", "NOTIFICATIONS__ADDRESS: "),
        ("ADDRESS", "{customer_id}, all@example.com", "NOTIFICATIONS__ADDRESS: "),
        ("TIMEOUT", "0", "NOTIFICATIONS__TIMEOUT: must be more than 0"),
        ("TIMEOUT", "long", "NOTIFICATIONS__TIMEOUT: must be a number"),
    ],
)
def test_what_is_wrong_with_the_mails_is_said(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"NOTIFICATIONS__{name}", value)
    text = complaint(NotificationSettings)
    assert text.startswith(said)
    assert "hush" not in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "My Shop"}, "WEBHOOKS[0].name: must match ^[a-z0-9-]{1,40}$"),
        ({"name": "x" * 41}, "WEBHOOKS[0].name: "),
        ({"url": "ftp://example.com"}, "WEBHOOKS[0].url: URL scheme should be 'http' or 'https'"),
        ({"url": "example.com"}, "WEBHOOKS[0].url: "),
        ({"secret": "hush"}, "WEBHOOKS[0].secret: must be whsec_ and 24 to 64 bytes in Base64"),
        ({"secret": "whsec_hush"}, "WEBHOOKS[0].secret: must be whsec_"),
        ({"secret": "whsec_" + "hush!" * 8}, "WEBHOOKS[0].secret: must be whsec_"),
        ({"secret": "whsec_" + "hush" * 22}, "WEBHOOKS[0].secret: must be whsec_"),
        ({"previous_secret": "hush"}, "WEBHOOKS[0].previous_secret: must be whsec_ and 24 to 64 bytes in Base64"),
        ({"url": "https://shop:hush@example.com/"}, "WEBHOOKS[0].url: must not have a user or a password"),
        (
            {"url": "http://example.com/"},
            "WEBHOOKS[0]: shop: http:// is not encrypted; use https://, or set allow_http",
        ),
        ({"url": "https://169.254.169.254/"}, "WEBHOOKS[0]: shop: 169.254.169.254 is link-local; set allow_link_local"),
        ({"url": "https://[fe80::1]/"}, "WEBHOOKS[0]: shop: [fe80::1] is link-local"),
        ({"url": "https://[::ffff:a9fe:a9fe]/"}, "WEBHOOKS[0]: shop: "),
        ({"url": "https://[64:ff9b::a9fe:a9fe]/"}, "WEBHOOKS[0]: shop: "),
        ({"url": "https://[fd00:ec2::254]/"}, "WEBHOOKS[0]: shop: "),
        ({"url": "https://2852039166/"}, "WEBHOOKS[0]: shop: "),
        ({"per_second": 0}, "WEBHOOKS[0].per_second: must be more than 0"),
        ({"types": []}, "WEBHOOKS[0].types: "),
        ({"persecond": 5}, "WEBHOOKS[0].persecond: there is no such field"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_said(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    monkeypatch.setenv("WEBHOOKS", json.dumps([GOOD | change]))
    text = complaint(WebhookSettings)
    assert text.startswith(said)
    assert "hush" not in text


def test_two_endpoints_have_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS", json.dumps([GOOD, GOOD]))
    assert complaint(WebhookSettings) == "WEBHOOKS: two endpoints are called shop"


def test_a_key_that_is_there_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS", json.dumps([GOOD]).replace('"url"', '"url": "https://example.org/", "url"'))
    assert complaint(WebhookSettings) == "WEBHOOKS: the key 'url' occurs twice; keep one of them"


def test_endpoints_that_are_no_json_are_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS", "https://example.com")
    assert complaint(WebhookSettings) == "WEBHOOKS: not JSON: Expecting value: column 1"


def test_settings_come_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NOTIFICATIONS__SENDER=orders@example.org\nWEBHOOKS=\nDATA_DIR=elsewhere\n")
    assert NotificationSettings.read().sender == "orders@example.org"
    assert WebhookSettings.read().webhooks == ()


def test_no_secret_is_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS", json.dumps([GOOD]))
    monkeypatch.setenv("NOTIFICATIONS__SMTP_URL", "smtp://shop:hush@mail.example.com")
    assert SECRET not in repr(WebhookSettings.read())
    assert "hush" not in repr(NotificationSettings.read())
