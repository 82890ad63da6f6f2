"""Injects faults at the services' boundary, for demonstrations and tests.

A spec is a comma-separated list of `service.operation=kind[:count][@order]`. `count` is how many calls of an order are
hit (default 1, `*` for all; for `slow` it is seconds, and every call is hit); `@order` narrows it to the orders whose
id matches a pattern such as `demo-*`. Kinds:

    down         fails before the effect
    lost         has its effect, then the reply is lost
    slow         waits this many seconds, then continues
    refuse       refuses
    kill-before  the process dies before the effect
    kill-after   the process dies between the commit and the reply

The providers behind the services can fail, too: `gateway.charge`, `gateway.reverse`, `courier.book`, `courier.cancel`.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from kernel.database import Database
from kernel.environment import one_line
from kernel.errors import CannotUndo, Outage, SettingsError
from kernel.keys import Key
from kernel.service import Wrap
from lab.settings import LabSettings
from services import SERVICES

T = TypeVar("T")
N = TypeVar("N", int, float)


def _operations() -> Iterator[tuple[str, Callable[[str], Exception]]]:
    for service in SERVICES:
        for operation in service.operations:
            yield f"{service.name}.{operation.verb}", next(iter(operation.refusals), CannotUndo)
        for provider in service.providers:
            for method, refusal in provider.verbs:
                yield f"{provider.name}.{method.__name__}", refusal


# Every operation that can fail, and how it refuses.
OPERATIONS = dict(_operations())

_FAULT = re.compile(r"(?P<operation>[^=@:]+)=(?P<kind>[a-z-]+)(:(?P<count>[^@]+))?(@(?P<orders>.+))?")

ALWAYS = -1


class BadSpec(ValueError):
    """The spec is invalid; the text names the part and what is allowed."""


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
    if kind not in _BEFORE | _AFTER:
        raise BadSpec(f"'{kind}' is no kind of fault; there are: {', '.join(_BEFORE | _AFTER)}")
    if kind == "slow":
        calls, seconds = ALWAYS, _number(count or "1", float, "seconds", part)
    else:
        seconds = 0.0
        calls = ALWAYS if count == "*" else _number(count or "1", int, "a whole number of calls from 1, or *", part)
    if kind.startswith("kill") and calls != 1:
        raise BadSpec(f"'{part}': a process dies once an order, so {kind} takes no count")
    return Fault(operation, kind, calls, seconds, orders or "*")


def _number(text: str, kind: Callable[[str], N], wanted: str, part: str) -> N:
    with suppress(ValueError):
        number = kind(text)
        if 0 < number < 86_400:
            return number
    raise BadSpec(f"'{text}' in '{part}' is not {wanted}")


_metadata = MetaData()
_hits = Table(
    "hits",
    _metadata,
    Column("fault", String(300), primary_key=True),
    Column("order_id", String(64), primary_key=True),
    Column("calls", Integer, nullable=False),
)
_kills = Table(
    "kills",
    _metadata,
    Column("order_id", String(64), primary_key=True),
    Column("at", Float, primary_key=True, comment="seconds since 1970"),
)


def kills(settings: LabSettings, order_ids: Sequence[str]) -> list[float]:
    """When these orders killed the worker, in seconds since 1970. Raises SQLAlchemyError."""
    database = _database(settings)
    try:
        with database.begin() as tx:
            return list(tx.scalars(select(_kills.c.at).where(_kills.c.order_id.in_(order_ids)).order_by(_kills.c.at)))
    finally:
        database.close()


def _database(settings: LabSettings) -> Database:
    """On this machine, whatever the services use: faults are no service, and need no database server."""
    return Database(f"sqlite:///{settings.data_dir.absolute()}/faults.db")


def check_faults(settings: LabSettings) -> tuple[Fault, ...]:
    """These settings' faults. Raises SettingsError."""
    try:
        return parse(settings.faults)
    except BadSpec as error:
        raise SettingsError(f"FAULTS: {error}") from None


def faults_of(settings: LabSettings) -> Wrap:
    """Wraps each port in these settings' faults. Raises SettingsError."""
    faults = check_faults(settings)
    try:
        return Faults(faults, lambda: _database(settings)).wrap
    except (SQLAlchemyError, OSError) as error:
        folder = settings.data_dir.absolute()
        raise SettingsError(
            f"the database of faults, {folder}/faults.db, cannot be used: {one_line(error)[:300]}"
        ) from None


class Faults:
    """Faults, and how often each has hit which order; stored on disk to survive restarts."""

    def __init__(self, faults: Sequence[Fault], database: Callable[[], Database]) -> None:
        self._faults = faults
        if self._faults:
            self._database = database()
            self._database.alone(_metadata.create_all)

    def wrap(self, name: str, port: T) -> T:
        """The port wrapped in its faults, or the port itself if it has none."""
        mine = tuple(fault for fault in self._faults if fault.operation.startswith(f"{name}."))
        return cast(T, _Faulty(name, port, mine, self._strikes)) if mine else port

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
            strikes = (calls or 0) < fault.count
            if strikes and fault.kind.startswith("kill"):
                tx.execute(insert(_kills).values(order_id=order_id, at=time.time()))
            return strikes


class _Faulty:
    """A proxy of a service that applies the faults to each call of a named operation."""

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
        order_id = Key.parse(request).order_id if isinstance(request, str) else request.order_id
        for fault in faults:
            if fault.kind in _BEFORE and self._strikes(fault, order_id):
                _BEFORE[fault.kind](fault)
        reply = method(request, *more)
        for fault in faults:
            if fault.kind in _AFTER and self._strikes(fault, order_id):
                _AFTER[fault.kind](fault)
        return reply


def _slow(fault: Fault) -> None:
    time.sleep(fault.seconds)


def _down(fault: Fault) -> None:
    raise Outage(f"{fault.operation} is down")


def _refuse(fault: Fault) -> None:
    raise OPERATIONS[fault.operation](f"{fault.operation} refuses")


def _lose(fault: Fault) -> None:
    raise Outage(f"the reply of {fault.operation} was lost")


def _die(_fault: Fault) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()  # the signal may come to another thread first


_BEFORE = {"slow": _slow, "down": _down, "refuse": _refuse, "kill-before": _die}
_AFTER = {"lost": _lose, "kill-after": _die}
