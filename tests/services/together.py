"""Things that happen at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import monotonic
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.database import Database
from kernel.errors import Outage, Refusal, ServiceError

T = TypeVar("T")

_LIMIT = 20  # seconds
_ATTEMPTS = 20

_BLOCKED = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def at_once(*calls: Callable[[], T]) -> list[T | ServiceError]:
    """Each call's answer, a refusal or an outage too, when all are made in the same moment."""
    gate = Barrier(len(calls))

    def make(call: Callable[[], T]) -> T | ServiceError:
        gate.wait(_LIMIT)
        return answer_of(call)

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(make, calls))


def answer_of(call: Callable[[], T]) -> T | ServiceError:
    try:
        return call()
    except ServiceError as answer:
        return answer


def asked_again(call: Callable[[], T]) -> T | Refusal:
    """The answer of a caller who asks again after an outage, and after anything that says nothing of the outcome."""
    for _ in range(_ATTEMPTS):
        try:
            return call()
        except Refusal as answer:
            return answer
        except (Outage, DBAPIError) as unknown:
            last = unknown
    raise last


def wait_until_blocked(database: Database, transactions: int) -> None:
    """Until this number of a PostgreSQL database's transactions waits for another's locks."""
    until = monotonic() + _LIMIT
    while monotonic() < until:
        with database.begin() as tx:
            if tx.scalar(_BLOCKED) == transactions:
                return
    raise TimeoutError(f"there are not {transactions} transactions waiting for a lock")
