from collections.abc import Callable
from pathlib import Path
from smtplib import SMTPAuthenticationError, SMTPException
from urllib.parse import quote

import pytest

from messaging.subscription import NonRetryable
from subscribers.mail import EmlFolder, Mail, Mailer, SmtpServer
from tests.subscribers.samples import NOON
from tests.subscribers.smtp_server import AUTHORITY, PASSWORD, USER, SmtpUnderTest, parsed

SENDER = "shop@example.com"
MAIL = Mail("order-1:Shipped", "customer-1@example.com", "On its way", "It costs 5 €.\n", NOON)


def smtp(server: SmtpUnderTest, *, login: str = "", scheme: str = "smtp") -> SmtpServer:
    return SmtpServer(f"{scheme}://{login}127.0.0.1:{server.port}", SENDER, timeout=5)


def login(password: str = PASSWORD) -> str:
    return f"{USER}:{quote(password, safe='')}@"


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The test server's authority is as good as any other."""
    authority = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))


def test_a_mail_arrives_as_it_was_written(smtp_server: SmtpUnderTest) -> None:
    smtp(smtp_server).send(MAIL)
    [mail] = smtp_server.mails
    assert smtp_server.recipients == ["customer-1@example.com"]
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, "customer-1@example.com", "On its way")
    assert mail["Date"].datetime == NOON
    assert mail.get_content().replace("\r\n", "\n") == "It costs 5 €.\n"


def test_a_mail_sent_twice_has_the_same_message_id_and_another_mail_another(smtp_server: SmtpUnderTest) -> None:
    mailer = smtp(smtp_server)
    mailer.send(MAIL)
    mailer.send(MAIL)
    mailer.send(Mail("order-1:OrderCreated", MAIL.to, MAIL.subject, MAIL.body, MAIL.date))
    first, again, other = [mail["Message-ID"] for mail in smtp_server.mails]
    assert first == again != other
    assert first.endswith("@example.com>")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(("tls", "scheme"), [("offered", "smtp"), ("implicit", "smtps")])
def test_tls_is_used_when_the_server_has_it(tls: str, scheme: str) -> None:
    with SmtpUnderTest(tls=tls, with_password=True) as server:
        smtp(server, login=login(), scheme=scheme).send(MAIL)
        assert server.were_encrypted == [True]
        assert server.users == [USER]


@pytest.mark.parametrize(("tls", "scheme"), [("offered", "smtp"), ("implicit", "smtps")])
def test_nothing_is_sent_to_a_server_that_cannot_show_who_it_is(tls: str, scheme: str) -> None:
    with SmtpUnderTest(tls=tls) as server:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            smtp(server, scheme=scheme).send(MAIL)
        assert server.mails == []


def test_a_wrong_password_may_be_put_right_and_is_tried_again() -> None:
    with SmtpUnderTest(with_password=True) as server:
        with pytest.raises(SMTPAuthenticationError):
            smtp(server, login=login("wrong")).send(MAIL)
        smtp(server, login=login()).send(MAIL)
        assert server.users == [USER]


def test_a_password_is_not_sent_in_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subscribers.mail._LOOPBACK", ())  # this machine is another one, then
    with SmtpUnderTest(with_password=True) as server:
        with pytest.raises(ConnectionError, match="a password is not sent without"):
            smtp(server, login=login()).send(MAIL)
        assert server.mails == []


@pytest.mark.parametrize("when", ["answers_to_recipients", "answers_to_data"])
def test_a_mail_refused_for_good_is_not_tried_again(smtp_server: SmtpUnderTest, when: str) -> None:
    getattr(smtp_server, when).append("550 no such mailbox")
    with pytest.raises(NonRetryable, match="550 no such mailbox"):
        smtp(smtp_server).send(MAIL)


@pytest.mark.parametrize("when", ["answers_to_recipients", "answers_to_data"])
def test_a_mail_refused_for_now_is_tried_again(smtp_server: SmtpUnderTest, when: str) -> None:
    getattr(smtp_server, when).append("451 come back later")
    mailer = smtp(smtp_server)
    with pytest.raises(ConnectionError, match="451 come back later"):
        mailer.send(MAIL)
    mailer.send(MAIL)
    assert len(smtp_server.mails) == 1


def test_a_server_that_is_down_is_tried_again(smtp_server: SmtpUnderTest) -> None:
    with SmtpUnderTest() as other:
        mailer = smtp(other)
    with pytest.raises((OSError, SMTPException)):
        mailer.send(MAIL)


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://h:port", "smtp://h:25/path", "smtp://h?a"]
)
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="smtp://"):
        SmtpServer(url, SENDER, timeout=1)


def test_a_mail_becomes_one_file_however_often_it_is_sent(tmp_path: Path) -> None:
    folder = EmlFolder(tmp_path / "mail", SENDER)
    folder.send(MAIL)
    [written] = (tmp_path / "mail").iterdir()
    before = written.read_bytes()
    folder.send(MAIL)
    assert list((tmp_path / "mail").iterdir()) == [written]
    assert written.read_bytes() == before
    mail = parsed(before)
    assert (mail["To"], mail["Subject"], mail["Date"].datetime) == (MAIL.to, MAIL.subject, NOON)
    assert mail.get_content().replace("\r\n", "\n") == MAIL.body


def test_mails_whose_ids_look_alike_in_a_file_name_are_different_files(tmp_path: Path) -> None:
    folder = EmlFolder(tmp_path, SENDER)
    for mail_id in ("order-1:Shipped", "order-1/Shipped", "../order-1-Shipped", "x" * 200, "x" * 201):
        folder.send(Mail(mail_id, MAIL.to, MAIL.subject, MAIL.body, MAIL.date))
    assert len(list(tmp_path.glob("*.eml"))) == 5


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="linefeed"):
        EmlFolder(tmp_path, SENDER).send(Mail("id", "a@example.com\nBcc: b@example.com", "s", "b", NOON))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "mail",
    [
        Mail("id", "a@example.com\r\nBcc: b@example.com", "s", "b", NOON),
        Mail("id", "a@example.com", "s\nBcc: b@example.com", "b", NOON),
    ],
)
def test_a_header_cannot_smuggle_in_another(mail: Mail, tmp_path: Path, smtp_server: SmtpUnderTest) -> None:
    mailers: list[Callable[[], Mailer]] = [lambda: EmlFolder(tmp_path, SENDER), lambda: smtp(smtp_server)]
    for make in mailers:
        with pytest.raises(ValueError, match="linefeed"):
            make().send(mail)
    assert smtp_server.mails == []
