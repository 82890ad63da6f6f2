"""Faults from outside, for demonstrations and tests: at the services' boundary, and nowhere in the story.

A spec is a comma-separated list of `service.operation=kind[:count][@order]`. `count` is how many calls of an order are
hit (default 1, `*` for all; for `slow` it is seconds, and every call is hit); `@order` narrows it to the orders whose
id matches a pattern such as `demo-*`. Kinds:

    down         fails before the effect
    lost         takes effect, then the reply is lost
    slow         waits so many seconds, then goes on
    refuse       says no
    kill-before  the process dies at once, before the effect
    kill-after   the process dies at once, after the commit and before the reply

The companies behind the services can fail too: `gateway.charge`, `gateway.reverse`, `courier.book`, `courier.cancel`.
"""

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update

from services.database import Database
from services.errors import CannotUndo, Outage
from services.fraud.contracts import FraudConfirmed
from services.inventory.contracts import OutOfStock
from services.orders.contracts import OrderEnded, UnknownSku
from services.payments.contracts import CardDeclined, PaymentDeclined
from services.shipping.contracts import AddressNotServed, AlreadyCollected, Undeliverable

T = TypeVar("T")

KINDS = ("down", "lost", "slow", "refuse", "kill-before", "kill-after")

# Every operation that can fail, and how it says no.
OPERATIONS: dict[str, Callable[[str], Exception]] = {
    "orders.create": UnknownSku,
    "orders.complete": OrderEnded,
    "orders.reject": CannotUndo,
    "orders.cancel": CannotUndo,
    "orders.flag": OrderEnded,
    "fraud.screen": FraudConfirmed,
    "fraud.decide": FraudConfirmed,
    "inventory.reserve": OutOfStock,
    "inventory.release": CannotUndo,
    "payments.charge": PaymentDeclined,
    "payments.refund": CannotUndo,
    "shipping.ship": Undeliverable,
    "shipping.cancel": CannotUndo,
    "gateway.charge": CardDeclined,
    "gateway.reverse": Outage,
    "courier.book": AddressNotServed,
    "courier.cancel": AlreadyCollected,
}

_FAULT = re.compile(r"(?P<operation>[^=@:]+)=(?P<kind>[a-z-]+)(:(?P<count>[^@]+))?(@(?P<orders>.+))?")

ALWAYS = -1


class BadSpec(ValueError):
    """The spec cannot be understood; the text says which part, and what would do."""


@dataclass(frozen=True)
class Fault:
    """`count` is calls of an order, or ALWAYS; `seconds` is for `slow` only."""

    operation: str
    kind: str
    count: int
    seconds: float
    orders: str


def parse(spec: str) -> tuple[Fault, ...]:
    """Raises BadSpec."""
    return tuple(_parse_one(part.strip()) for part in spec.split(",") if part.strip())


def _parse_one(part: str) -> Fault:
    match = _FAULT.fullmatch(part)
    if match is None:
        raise BadSpec(f"'{part}' is not service.operation=kind[:count][@order]")
    operation, kind, count, orders = match["operation"].strip(), match["kind"], match["count"] or "", match["orders"]
    if operation not in OPERATIONS:
        raise BadSpec(f"'{operation}' is no operation; there are: {', '.join(OPERATIONS)}")
    if kind not in KINDS:
        raise BadSpec(f"'{kind}' is no kind of fault; there are: {', '.join(KINDS)}")
    try:
        if kind == "slow":
            seconds, calls = float(count or 1), ALWAYS
        else:
            seconds, calls = 0.0, ALWAYS if count == "*" else int(count or 1)
        if not 0 <= seconds < 86_400 or (calls != ALWAYS and calls < 1):
            raise ValueError
    except ValueError:
        wanted = "seconds" if kind == "slow" else "a whole number of calls from 1, or *"
        raise BadSpec(f"'{count}' in '{part}' is not {wanted}") from None
    if kind.startswith("kill") and calls != 1:
        raise BadSpec(f"'{part}': a process dies once an order, so {kind} takes no count")
    return Fault(operation, kind, calls, seconds, orders or "*")


_metadata = MetaData()
_hits = Table(
    "hits",
    _metadata,
    Column("fault", String(300), primary_key=True),
    Column("order_id", String(64), primary_key=True),
    Column("calls", Integer, nullable=False),
)


class Faults:
    """The faults of a spec, and how often each has hit which order: kept on disk, so that a restart does not forget."""

    def __init__(self, spec: str, database: Callable[[], Database]) -> None:
        self._faults = parse(spec)
        if self._faults:
            self._database = database()
            self._database.alone(_metadata.create_all)

    def around(self, service: str, target: T) -> T:
        """The target with the spec's faults at its boundary; itself when there are none for it."""
        mine = tuple(fault for fault in self._faults if fault.operation.startswith(f"{service}."))
        return cast(T, _Faulty(service, target, mine, self._strikes)) if mine else target

    def _strikes(self, fault: Fault, order_id: str) -> bool:
        if not fnmatchcase(order_id, fault.orders):
            return False
        if fault.count == ALWAYS:
            return True
        name = f"{fault.operation}={fault.kind}@{fault.orders}"
        row = (_hits.c.fault == name) & (_hits.c.order_id == order_id)
        with self._database.begin() as tx:
            calls = tx.scalar(select(_hits.c.calls).where(row).with_for_update())
            if calls is None:
                tx.execute(insert(_hits).values(fault=name, order_id=order_id, calls=1))
            elif calls < fault.count:
                tx.execute(update(_hits).where(row).values(calls=calls + 1))
            return (calls or 0) < fault.count


class _Faulty:
    """Stands before a service, and lets each call of a named operation go through its faults."""

    def __init__(
        self, service: str, target: object, faults: tuple[Fault, ...], strikes: Callable[[Fault, str], bool]
    ) -> None:
        self._service = service
        self._target = target
        self._faults = faults
        self._strikes = strikes

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self._target, verb)
        faults = [fault for fault in self._faults if fault.operation == f"{self._service}.{verb}"]
        return partial(self._call, method, faults) if faults else method

    def _call(self, method: Callable[..., Any], faults: list[Fault], request: Any, *more: Any) -> Any:
        order_id = request.partition(":")[0] if isinstance(request, str) else request.order_id
        struck = [fault for fault in faults if self._strikes(fault, order_id)]
        for fault in struck:
            _before(fault)
        reply = method(request, *more)
        for fault in struck:
            _after(fault)
        return reply


def _before(fault: Fault) -> None:
    match fault.kind:
        case "slow":
            time.sleep(fault.seconds)
        case "down":
            raise Outage(f"{fault.operation} is down")
        case "refuse":
            raise OPERATIONS[fault.operation](f"{fault.operation} says no")
        case "kill-before":
            _die()


def _after(fault: Fault) -> None:
    match fault.kind:
        case "lost":
            raise Outage(f"the reply of {fault.operation} was lost")
        case "kill-after":
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()  # the signal may come to another thread first
