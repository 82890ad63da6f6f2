"""Messages that a consumer could not read, kept unchanged beside its dead letters until a release can read them."""

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from kernel.envelope import read_event
from messaging.bus import Recorded, Unreadable
from messaging.failure import FailureState, failures, of_event
from messaging.progress import Progress

_BASE64 = "base64:"


@dataclass(frozen=True)
class QuarantinedMessage:
    """A message that this consumer could not read. `id` identifies this record, since the message has no id."""

    consumer: str
    id: str
    message: Unreadable
    attempts: int

    @property
    def error(self) -> str:
        return self.message.why


class Quarantine:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def add(self, consumer: str, message: Unreadable) -> bool:
        """Store the message; returns whether it is new. A second delivery of the same message adds nothing."""
        digest = hashlib.sha256(message.raw).hexdigest()[:12]
        new: dict[str, Any] = {"consumer": consumer, "event_id": f"unreadable:{message.position}:{digest}"}
        new |= {"position": message.position, "partition": message.partition, "attempts": 1, "error": message.why}
        new |= {"event": f"{_BASE64}{base64.b64encode(message.raw).decode()}", "state": FailureState.UNREADABLE}
        new |= {"correlation": "".join(filter(str.isprintable, message.correlation))[:64]}
        with self._progress.database.begin() as tx:
            here = of_event(consumer, new["event_id"])
            is_new = tx.scalar(select(failures.c.state).where(*here)) is None
            if is_new:
                tx.execute(insert(failures), new | {"first_failed_at": time.time()})
            return is_new

    def messages(self, *, consumer: str = "", correlation: str = "") -> list[QuarantinedMessage]:
        """The messages of this consumer, about this order; oldest first."""
        rows = self._progress.rows((FailureState.UNREADABLE,), consumer, None, correlation)
        return [
            QuarantinedMessage(
                row.consumer,
                row.event_id,
                Unreadable(row.position, row.partition, _raw(row.event), row.error, row.correlation, type=""),
                row.attempts,
            )
            for row in rows
        ]

    def read_again(self, consumer: str, message_id: str) -> None:
        """Read the message again, and have it handled as an event.

        Raises:
            NotAnEvent: it still cannot be read.
        """
        with self._progress.database.begin() as tx:
            here = (*of_event(consumer, message_id), failures.c.state == FailureState.UNREADABLE)
            row = tx.execute(select(failures).where(*here)).one_or_none()
            if row is None:
                return
            recorded = Recorded(row.position, read_event(_raw(row.event)))
            event = recorded.event
            tx.execute(delete(failures).where(*here))
            if tx.scalar(select(failures.c.state).where(*of_event(consumer, event.id))) is None:
                new: dict[str, Any] = dict(row._mapping)
                new |= {"event_id": event.id, "event": event.model_dump_json(), "correlation": event.correlationid}
                new |= {"partition": recorded.partition, "state": FailureState.REQUEUED}
                tx.execute(insert(failures), new)


def _raw(stored: str) -> bytes:
    return base64.b64decode(stored.removeprefix(_BASE64)) if stored.startswith(_BASE64) else stored.encode()
