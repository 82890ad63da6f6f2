"""The customers' mailboxes, when mails are files."""

from email.message import EmailMessage
from pathlib import Path

from messaging.subscription import Subscription
from subscribers.notifications import notifications
from tests.subscribers.processes import Place
from tests.subscribers.smtp_server import parsed


def notifying(place: Place) -> Subscription:
    [subscription] = notifications(place)
    return subscription


def mails(folder: Path) -> list[EmailMessage]:
    return [parsed(file.read_bytes()) for file in folder.glob("mail/*")]


def subjects(folder: Path) -> list[str]:
    """Of all mails, sorted."""
    return sorted(mail["Subject"] for mail in mails(folder))


def mail_about(folder: Path, subject: str) -> str:
    [found] = [mail for mail in mails(folder) if mail["Subject"] == subject]
    text: str = found.get_content()
    return text
