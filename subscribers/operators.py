"""Notifies operators, by mail or signed webhook, of each new entry of `attention`, and again when it is over.

The notifier keeps the entries and their deliveries in a database of its own. A notice is delivered and then recorded,
so a process that dies in between delivers it again, under the same Message-ID or `webhook-id`. While a part of the
system cannot be seen, no entry counts as over: it may still exist in that part.
"""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Row, String, Table, Text, insert, select, update

from client.attention import AttentionEntry, AttentionKind
from kernel.contracts import Seconds
from kernel.database import Storage
from kernel.environment import EnvironmentSettings
from kernel.trouble import described
from kernel.visible import visible
from messaging.subscription import NonRetryable
from subscribers.mail import Mail, Mailer
from subscribers.redaction import masked
from subscribers.webhooks import Endpoint, deliver

NAME = "operators"

_log = logging.getLogger(__name__)

metadata = MetaData()

notices = Table(
    "notices",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("entry_id", Text, nullable=False, comment="of the trouble; it may come back, as another row"),
    Column("entry", Text, nullable=False, comment="JSON, as it was when it was first seen"),
    Column("began_at", BigInteger, nullable=False, comment="milliseconds since 1970, when it was first seen"),
    Column("over_at", BigInteger, comment="milliseconds since 1970; null: it lasts"),
    Column("is_finished", Boolean, nullable=False, index=True, comment="it is over, and everybody knows"),
    sqlite_autoincrement=True,
)
deliveries = Table(
    "deliveries",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("word", String(10), primary_key=True, comment="began or over"),
    Column("channel", String(50), primary_key=True),
    Column("problem", Text, nullable=False, comment="why it was refused for good; empty when it was delivered"),
)


class OperatorSettings(EnvironmentSettings):
    """Who is notified; by default, no operator. Mails are sent by NOTIFICATIONS__SMTP_URL. `every` is in seconds."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="OPERATORS__")

    mail_to: str = Field("", pattern=r"^([A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190})?$")
    webhook: Endpoint | None = None
    every: Seconds = 30


class Word(StrEnum):
    BEGAN = "began"
    OVER = "over"


class Channel(Protocol):
    name: str

    def send(self, notice_id: str, word: Word, entry: AttentionEntry, at: datetime) -> None:
        """Raises NonRetryable if the notice is refused permanently; any other exception may be transient."""
        ...


class ByMail:
    name = "mail"

    def __init__(self, mailer: Mailer, to: str) -> None:
        self._mailer = mailer
        self._to = to

    def send(self, notice_id: str, word: Word, entry: AttentionEntry, at: datetime) -> None:
        over = "Over: " if word is Word.OVER else ""
        subject = f"{over}{entry.kind}: {visible(entry.subject)[:150]}"
        self._mailer.send(Mail(notice_id, self._to, subject, _text(word, entry), at))


class ByWebhook:
    name = "webhook"

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def send(self, notice_id: str, word: Word, entry: AttentionEntry, at: datetime) -> None:
        document = {
            "type": f"attention.{word}",
            "timestamp": at.isoformat(),
            "data": {"id": entry.id} | entry.model_dump(mode="json"),
        }
        deliver(self._endpoint, f"msg_{notice_id}", json.dumps(document), "application/json")


class Notifier:
    """Keeps entries and deliveries in the database alone, so that a restart changes nothing."""

    def __init__(self, database: Storage, channels: Sequence[Channel]) -> None:
        self._database = database
        self._channels = channels

    def open(self) -> None:
        """Create the tables, if they do not exist."""
        self._database.alone(metadata.create_all)

    def look(self, entries: Sequence[AttentionEntry], now: datetime) -> dict[str, Exception]:
        """Record which entries are new and which are over, and deliver the notices that are due.

        Returns:
            The errors of the channels that take nothing now, by name; their notices stay due.
        """
        self._note(entries, int(now.timestamp() * 1000))
        failed: dict[str, Exception] = {}
        for row in self._unfinished():
            for word, at in ((Word.BEGAN, row.began_at), (Word.OVER, row.over_at)):
                for channel in self._channels if at else ():
                    if channel.name not in failed:
                        try:
                            self._deliver(channel, row, word, datetime.fromtimestamp(at / 1000, UTC))
                        except Exception as error:  # noqa: BLE001 - returned; another channel must not wait for this one
                            failed[channel.name] = error
            if row.over_at and not failed:
                self._finish(row.number)
        return failed

    def _note(self, entries: Sequence[AttentionEntry], now: int) -> None:
        found = {entry.id: entry for entry in entries}
        is_all_seen = all(entry.kind is not AttentionKind.UNSEEN for entry in entries)
        with self._database.begin() as tx:
            rows = tx.execute(select(notices.c.entry_id, notices.c.number).where(notices.c.over_at.is_(None)))
            lasting = {row.entry_id: row.number for row in rows}
            for entry in entries:
                if entry.id not in lasting:
                    lasting[entry.id] = 0
                    row = {"entry_id": entry.id, "entry": entry.model_dump_json(), "began_at": now}
                    tx.execute(insert(notices), row | {"is_finished": False})
            for entry_id in lasting.keys() - found.keys() if is_all_seen else ():
                tx.execute(update(notices).where(notices.c.number == lasting[entry_id]).values(over_at=now))

    def _unfinished(self) -> Sequence[Row[Any]]:
        with self._database.begin() as tx:
            return tx.execute(select(notices).where(~notices.c.is_finished).order_by(notices.c.number)).all()

    def _finish(self, number: int) -> None:
        with self._database.begin() as tx:
            tx.execute(update(notices).where(notices.c.number == number).values(is_finished=True))

    def _deliver(self, channel: Channel, row: Row[Any], word: Word, at: datetime) -> None:
        """Unless it was delivered. Raises what the channel raises; a permanent refusal is logged and recorded."""
        key = {"number": row.number, "word": word.value, "channel": channel.name}
        with self._database.begin() as tx:
            if tx.execute(select(deliveries.c.number).filter_by(**key)).first():
                return
        entry, problem = AttentionEntry.model_validate_json(masked(row.entry)), ""
        try:
            channel.send(f"{row.began_at}-{row.number}-{word}", word, entry, at)
        except NonRetryable as error:
            problem = described(error)
            _log.error("operators are not notified of %s by %s: %s", row.entry_id, channel.name, problem)
        with self._database.begin() as tx:
            tx.execute(insert(deliveries), key | {"problem": problem})


def _text(word: Word, entry: AttentionEntry) -> str:
    """One field per line; no field can add a line of its own."""
    lines = {
        "what": f"{entry.kind} {entry.subject} {entry.step}",
        "why": entry.why,
        "since": entry.since.isoformat(timespec="seconds") if entry.since else "",
        "then": entry.then,
        "do": entry.command,
        "or": entry.otherwise,
        "see": entry.link,
    }
    if word is Word.OVER:
        lines = {"over": lines["what"]}
    return "".join(f"{name:<6} {visible(text.strip())}\n" for name, text in lines.items() if text.strip())
