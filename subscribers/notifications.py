"""Mails to the customer about an order.

A mail is sent outside of any transaction, and then recorded in the inbox. A process that dies in between sends it
again. So by SMTP, a customer may get a mail twice, with one Message-ID, by which some mail programs recognise a repeat;
of the built-in files there is exactly one. No mail is skipped, unless the mail server refuses it: then it is a dead
letter.

Most events do not name the customer. The subscriber remembers the customer from those that do; an event that comes
before them waits. So no mail is sent about an order that was never recorded.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, Text, delete, insert, select, update

from kernel import inbox
from kernel.contracts import Seconds
from kernel.database import Storage
from kernel.envelope import CloudEvent
from kernel.environment import EnvironmentSettings
from messaging.bus import Recorded
from messaging.subscription import RetryPolicy, Rule, Subscription
from services.orders.events import ENDS
from subscribers.context import SubscriberContext
from subscribers.mail import EmlFolder, Mail, Mailer, SmtpServer
from subscribers.mail_texts import MAILED, mail_text
from subscribers.redaction import redacted, without_data

NAME = "notifications"

_DOMAIN = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
_SENDER = rf"^[A-Za-z0-9][A-Za-z0-9._+-]{{0,63}}@{_DOMAIN}$"
_ADDRESS = rf"^[A-Za-z0-9._+-]{{0,24}}\{{customer_id\}}@{_DOMAIN}$"
_SAFE = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_LONGEST = 40  # leaves room in the address for the template's own text; the limit is in RFC 5321, 4.5.3.1.1

metadata = MetaData()

customers = Table(
    "customers",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("customer_id", String(100), nullable=False, comment="empty until an event says it"),
)
waiting = Table(
    "waiting",
    metadata,
    Column("event_id", String(200), primary_key=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("occurred_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("event", Text, nullable=False, comment="CloudEvents JSON, received before we knew whose order it is"),
)


class NotificationSettings(EnvironmentSettings):
    """`smtp_url` may have a password; without a URL, mails become files. `timeout` and `give_up_after` in seconds."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="NOTIFICATIONS__")

    smtp_url: SecretStr = SecretStr("")
    sender: str = Field("shop@example.com", pattern=_SENDER)
    address: str = "{customer_id}@example.com"
    timeout: Seconds = 10
    give_up_after: Seconds = 3600

    @field_validator("smtp_url")
    @classmethod
    def _is_a_server(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value():
            SmtpServer(url.get_secret_value(), sender="", timeout=1)
        return url

    @field_validator("address")
    @classmethod
    def _is_a_template(cls, address: str) -> str:
        if not re.fullmatch(_ADDRESS, address):
            raise ValueError("must be an address with {customer_id} before the @, such as {customer_id}@example.com")
        return address

    def mailer(self, folder: Path) -> Mailer:
        """A mailer to the SMTP server; without one, to this folder."""
        url = self.smtp_url.get_secret_value()
        return SmtpServer(url, self.sender, self.timeout) if url else EmlFolder(folder, self.sender)

    def address_of(self, customer_id: str) -> str:
        """A customer's address. It is unique: an id that is not a plain name gets a digest after an `=`."""
        name = customer_id
        if len(name) > _LONGEST or not _SAFE.fullmatch(name):
            readable = "-".join(re.findall(r"[a-z0-9]+", customer_id.lower()))[:20].strip("-")
            name = f"{readable}={hashlib.sha256(customer_id.encode()).hexdigest()[:16]}"
        return self.address.replace("{customer_id}", name)


class Notifications:
    def __init__(self, database: Storage, mailer: Mailer, settings: NotificationSettings) -> None:
        self._database = database
        self._mailer = mailer
        self._settings = settings

    def open(self) -> None:
        """Create the tables, if they do not exist."""
        self._database.alone(metadata.create_all)
        self._database.alone(inbox.make)

    def handle(self, recorded: Recorded) -> None:
        """Raises what the mailer raises."""
        self.handle_all([recorded])

    def handle_all(self, several: Sequence[Recorded]) -> None:
        """Send the mails that are due, between two transactions. Raises what the mailer raises."""
        with self._database.begin() as tx:
            due = [one for recorded in several if (one := _due(tx, recorded.event))]
        mails = {event.id: (one.customer, event) for one in due if one.customer for event in one.events}
        for customer, event in mails.values():
            self._write(customer, event)
        if due:
            with self._database.begin() as tx:
                inbox.receive(tx, [without_data(one.cause) for one in due])
                _forget(tx, [event for one in due for event in one.events])

    def settle(self, event: CloudEvent) -> None:
        """A person has settled it: the mail is not sent."""
        inbox.settle(self._database, without_data(event))

    def _write(self, customer: str, event: CloudEvent) -> None:
        text = mail_text(event)
        if text:
            address = self._settings.address_of(customer)
            self._mailer.send(Mail(event.id, address, text.subject, text.body, event.time))


@dataclass(frozen=True)
class _Due:
    """The events to mail about now: `cause`, and those that waited for it. Without a customer, there is no mail."""

    cause: CloudEvent
    customer: str
    events: list[CloudEvent]


def _due(tx: Connection, event: CloudEvent) -> _Due | None:
    """None if there is nothing to do: the event was handled, or waits for its customer."""
    if inbox.repeated(tx, event):
        return None
    customer = _customer(tx, event)
    if not customer and "customer_id" not in event.data:
        _keep_waiting(tx, event)
        return None
    return _Due(event, customer, [event, *_waiting(tx, event)])


def _customer(tx: Connection, event: CloudEvent) -> str:
    """The order's customer, as far as this event or an earlier one names it; otherwise empty.

    The order's row is written in any case, so that of two concurrent events, the later one sees the earlier.
    """
    said: str = event.data.get("customer_id", "")
    of_order = customers.c.order_id == event.correlationid
    known = tx.scalar(select(customers.c.customer_id).where(of_order).with_for_update())
    if known is None:
        tx.execute(insert(customers), {"order_id": event.correlationid, "customer_id": said})
    elif said and not known:
        tx.execute(update(customers).where(of_order).values(customer_id=said))
    return known or said


def _keep_waiting(tx: Connection, event: CloudEvent) -> None:
    row = {"event_id": event.id, "order_id": event.correlationid, "event": redacted(event).model_dump_json()}
    tx.execute(insert(waiting), row | {"occurred_at": int(event.time.timestamp() * 1000)})
    inbox.record(tx, without_data(event))


def _waiting(tx: Connection, event: CloudEvent) -> list[CloudEvent]:
    of_order = waiting.c.order_id == event.correlationid
    rows = tx.scalars(select(waiting.c.event).where(of_order).order_by(waiting.c.occurred_at))
    return [CloudEvent.model_validate_json(row) for row in rows]


def _forget(tx: Connection, events: Iterable[CloudEvent]) -> None:
    tx.execute(delete(waiting).where(waiting.c.event_id.in_([event.id for event in events])))


def notifications(context: SubscriberContext) -> Iterable[Subscription]:
    """Raises SettingsError."""
    settings = NotificationSettings.read()
    mailer = settings.mailer(context.data_dir / "mail")
    database = context.database(NAME)
    subscriber = Notifications(database, mailer, settings)
    subscriber.open()
    retry_policy = RetryPolicy(first=1, longest=60, give_up_after=settings.give_up_after)
    rule = Rule(types=MAILED)
    return [
        Subscription(
            NAME,
            rule,
            subscriber.handle,
            # A batch that dies is sent again, all of it: only where that makes no second mail.
            handle_all=subscriber.handle_all if mailer.is_idempotent else None,
            retry_policy=lambda _event: retry_policy,
            settle=subscriber.settle,
            handled=partial(inbox.known, database),
            is_over=_has_ended,
        )
    ]


def _has_ended(of_order: Sequence[Recorded]) -> bool:
    """So that a new kind of mail is not sent about orders that ended long ago."""
    ends = {event.type() for event in ENDS}
    return any(recorded.event.type in ends for recorded in of_order)
