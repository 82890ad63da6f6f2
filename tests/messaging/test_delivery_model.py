"""A consumer beside a simple model of it: whatever happens, in any order, each event is handled once or given up aloud.

Events are published, fail, are mended, given up, sent again, discarded, settled by hand and replayed. Workers stop,
hand over, and die before any line that they write.
"""

import asyncio
import itertools
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial as bound
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, event, insert

from kernel import inbox
from kernel.database import Database
from kernel.envelope import CloudEvent
from kernel.trouble import Trouble
from messaging import partition
from messaging.bus import Recorded, partition_of
from messaging.failure import OWED, DeliveryFailure, FailureState
from messaging.handling import HandlerPool
from messaging.partition import PartitionSession
from messaging.progress import Progress
from messaging.sql_log import SqlLog
from messaging.subscription import NonRetryable, RetryPolicy, Rule, Subscription
from tests.databases import rows
from tests.messaging.conftest import event as event_of
from tests.messaging.listening import ledger
from tests.messaging.listening import metadata as ledger_metadata

T = TypeVar("T")
NAME = "consumer"
ORDERS = [order for order in (f"order-{n}" for n in range(50)) if partition_of(order) == 0][:2]
BEHAVIOURS = st.sampled_from(["fine", "fine", "stubborn", "poison"])
PATIENT = RetryPolicy(first=0.005, longest=0.01, give_up_after=300)
SECONDS = 8


class Killed(BaseException):
    """The process is no more."""


class Process:
    """It may die before the n-th line that it writes; from then on it writes nothing."""

    def __init__(self, lines: int | None) -> None:
        self._left = lines
        self._mutex = threading.Lock()
        self.is_dead = False

    def writes(self) -> None:
        with self._mutex:
            if self._left is not None:
                self._left -= 1
                self.is_dead = self.is_dead or self._left < 0
            if self.is_dead:
                raise Killed


class MortalProgress(Progress):
    def __init__(self, database: Database, process: Process) -> None:
        super().__init__(database)
        self._process = process

    def save(self, *args: Any, **more: Any) -> None:
        self._process.writes()
        super().save(*args, **more)

    def failed(self, *args: Any, **more: Any) -> DeliveryFailure:
        self._process.writes()
        return super().failed(*args, **more)

    def mark_dead(self, consumer: str, event_id: str) -> bool:
        self._process.writes()
        return super().mark_dead(consumer, event_id)

    def settle(self, consumer: str, event_id: str) -> None:
        self._process.writes()
        super().settle(consumer, event_id)


class MortalLog(SqlLog):
    def __init__(self, database: Database, process: Process) -> None:
        super().__init__(database)
        self._process = process

    async def append(self, events: Sequence[CloudEvent]) -> None:
        self._process.writes()
        await super().append(events)


@dataclass
class Model:
    """What must be so once a worker has nothing more to do."""

    behaviour: dict[str, str] = field(default_factory=dict)  # by event, in the log's order
    done: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    ever_dead: set[str] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)
    by_hand: set[str] = field(default_factory=set)

    def owed(self) -> list[str]:
        closed = self.done | self.dead | self.discarded | self.by_hand
        return [event_id for event_id in self.behaviour if event_id not in closed]

    def work(self) -> set[str]:
        """A worker does what it can; what it goes on trying."""
        trying: dict[str, str] = {}
        for event_id in self.owed():
            order = event_id.partition(":")[0]
            if order in trying:
                continue
            if self.behaviour[event_id] == "fine":
                self.done.add(event_id)
            elif self.behaviour[event_id] == "poison":
                self.dead.add(event_id)
            else:
                trying[order] = event_id
        self.ever_dead |= self.dead
        return set(trying.values())


def entered(one: CloudEvent, tx: Connection) -> None:
    """The effect of an event."""
    tx.execute(insert(ledger), {"correlation": one.correlationid, "event_id": one.id})


class Delivery(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _loop, _context: None)  # of those that died
        self.databases = {name: self._database(name) for name in ("bus", "consumers", "effects")}
        self.databases["effects"].alone(ledger_metadata.create_all)
        self.databases["effects"].alone(inbox.metadata.create_all)
        self.progress = Progress(self.databases["consumers"])
        self.progress.open()
        self.log = SqlLog(self.databases["bus"])
        self.log.open()
        self.model = Model()
        self.numbers = itertools.count(1)
        self.in_batches = False

    def _database(self, name: str) -> Database:
        database = Database(f"sqlite:///{self.folder}/{name}.db")
        # No machine loses its power here, and waiting for the disk is most of the time.
        event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
        return database

    @initialize(in_batches=st.booleans())
    def one_by_one_or_in_batches(self, in_batches: bool) -> None:
        self.in_batches = in_batches

    @rule(published=st.lists(st.tuples(st.sampled_from(ORDERS), BEHAVIOURS), min_size=1, max_size=5))
    def publish(self, published: list[tuple[str, str]]) -> None:
        for order, behaviour in published:
            one = event_of(order, next(self.numbers))
            self.model.behaviour[one.id] = behaviour
            self._run(self.log.append([one]))

    @precondition(lambda self: self._broken())
    @rule(data=st.data())
    def mend(self, data: st.DataObject) -> None:
        self.model.behaviour[data.draw(st.sampled_from(self._broken()))] = "fine"

    @rule(hands_over=st.booleans(), retries_meanwhile=st.booleans())
    def work(self, hands_over: bool, retries_meanwhile: bool) -> None:
        """Until there is nothing more to do; then it stops, or hands over to another."""
        self._run(self._work(Process(None), hands_over=hands_over, retries_meanwhile=retries_meanwhile))

    @rule(lines=st.integers(0, 12))
    def work_and_die(self, lines: int) -> None:
        before = self.model.dead | self.model.discarded | self.model.by_hand
        self._run(self._work(Process(lines)))  # how far it comes is seen, and cannot be known
        self.model.done = self._handled()
        self.model.dead = self._in(FailureState.DEAD)
        self.model.ever_dead |= self.model.dead
        assert before <= self.model.dead | self.model.discarded | self.model.by_hand
        position = self.progress.position(NAME, 0) or 0
        to_read = {one.event.id for order in ORDERS for one in self._of(order) if one.position > position}
        assert set(self.model.owed()) <= to_read | self._in(*OWED), "an event is lost"

    @precondition(lambda self: self.model.dead)
    @rule(data=st.data(), how=st.sampled_from(["requeue", "discard", "settle"]))
    def decide(self, data: st.DataObject, how: str) -> None:
        self._decide(data.draw(st.sampled_from(sorted(self.model.dead))), how)

    @rule(part=st.floats(0, 1))
    def replay(self, part: float) -> None:
        position = self.progress.position(NAME, 0)
        if position is not None:
            self.progress.save(NAME, 0, int(position * part))

    @invariant()
    def nobody_is_left_without_a_word(self) -> None:
        given_up = self._in(FailureState.DEAD, FailureState.DISCARDED)
        found = {one.event.causationid for order in ORDERS for one in self._of(order) if one.event.type == "GivenUp"}
        assert given_up <= found

    @invariant()
    def one_order_s_events_take_effect_once_and_in_order(self) -> None:
        for order in ORDERS:
            numbers = [int(one.partition(":")[2]) for one in self._effects(order) if one not in self.model.ever_dead]
            assert numbers == sorted(set(numbers))
        assert len(self._handled()) == len(rows(self.databases["effects"], ledger, "event_id"))

    def teardown(self) -> None:
        try:
            for event_id in self._broken():
                self.model.behaviour[event_id] = "fine"
            for event_id in sorted(self.model.dead):
                self._decide(event_id, "requeue")
            self._run(self._work(Process(None)))
            assert set(self.model.behaviour) == self._handled() | self.model.discarded | self.model.by_hand
            assert self._in(*OWED, FailureState.DEAD) == set()
        finally:
            self._run(self.log.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            for database in self.databases.values():
                database.close()
            shutil.rmtree(self.folder)

    def _decide(self, event_id: str, how: str) -> None:
        self.model.dead.discard(event_id)
        if how == "requeue":
            assert self.progress.requeue(NAME, event_id)
        elif how == "discard":
            assert self.progress.discard(NAME, event_id, "not needed")
            self.model.discarded.add(event_id)
        else:
            with self.databases["effects"].begin() as tx:  # what was settled is known where the effect would be
                order, _, number = event_id.partition(":")
                inbox.note(tx, event_of(order, int(number)))
            self.progress.settle(NAME, event_id)
            self.model.by_hand.add(event_id)

    async def _work(self, process: Process, *, hands_over: bool = False, retries_meanwhile: bool = False) -> None:
        progress, log = MortalProgress(self.databases["consumers"], process), MortalLog(self.databases["bus"], process)
        stopping, is_awaited = asyncio.Event(), False

        async def awaited() -> bool:
            return is_awaited

        trouble = Trouble(partition._log, NAME)
        subscription = self._subscription(process)
        pool = HandlerPool(subscription, stopping)
        session = PartitionSession(
            subscription, 0, log, progress, pool, stopping, awaited, handled=lambda: None, trouble=trouble
        )
        running = asyncio.create_task(session.run())
        try:
            await self._until_idle(process, self.model.work())
            if retries_meanwhile and self.model.dead:
                self._decide(min(self.model.dead), "requeue")
                await self._until_idle(process, self.model.work())
            if process.is_dead:
                running.cancel()
            elif hands_over:
                is_awaited = True
            else:
                stopping.set()
            await asyncio.wait([running], timeout=SECONDS)
            assert running.done()
            if not process.is_dead and not running.cancelled():
                running.result()
        finally:
            running.cancel()
            await asyncio.wait([running])
            pool.close()
            await log.close()

    async def _until_idle(self, process: Process, trying: set[str]) -> None:
        async def reached() -> bool:
            if process.is_dead:
                return True
            dead, owed = self._in(FailureState.DEAD), self._in(*OWED)
            return (self._handled(), dead, owed) == (self.model.done, self.model.dead, trying)

        await until(reached, lambda: f"{self.model}, trying {trying}; is: {self._handled()}, {self._failures()}")

    def _subscription(self, process: Process) -> Subscription:
        def handle(recorded: Recorded) -> None:
            behaviour = self.model.behaviour[recorded.event.id]
            if inbox_knows(self.databases["effects"], recorded.event):
                return
            if behaviour == "poison":
                raise NonRetryable("never")
            if behaviour == "stubborn":
                raise ConnectionError("not now")

            process.writes()
            inbox.once(self.databases["effects"], recorded.event, bound(entered, recorded.event))

        def handle_all(several: Sequence[Recorded]) -> None:
            """One that fails is found before anything is written."""
            if any(self.model.behaviour[recorded.event.id] != "fine" for recorded in several):
                raise ConnectionError("one of them")
            process.writes()
            with self.databases["effects"].begin() as tx:
                for one in inbox.receive(tx, [recorded.event for recorded in several]):
                    entered(one, tx)

        return Subscription(
            NAME,
            Rule(types=("OrderCreated",)),
            handle,
            handle_all=handle_all if self.in_batches else None,
            retry_policy=lambda _: PATIENT,
            at_once=2,
            on_dead_letter=given_up,
        )

    def _broken(self) -> list[str]:
        return [one for one, behaviour in self.model.behaviour.items() if behaviour != "fine"]

    def _effects(self, order: str) -> list[str]:
        lines = rows(self.databases["effects"], ledger, "line", "correlation", "event_id")
        return [event_id for _, correlation, event_id in lines if correlation == order]

    def _handled(self) -> set[str]:
        return {event_id for (event_id,) in rows(self.databases["effects"], ledger, "event_id")}

    def _failures(self) -> list[DeliveryFailure]:
        return self.progress.failures(*FailureState)

    def _in(self, *states: FailureState) -> set[str]:
        return {one.id for one in self.progress.failures(*states)}

    def _of(self, order: str) -> list[Recorded]:
        return self._run(self.log.of(order))

    def _run(self, what: Awaitable[T]) -> T:
        async def awaiting() -> T:
            return await what

        return self.loop.run_until_complete(awaiting())


def inbox_knows(database: Database, about: CloudEvent) -> bool:
    with database.begin() as tx:
        return inbox.knows(tx, about)


def given_up(failure: DeliveryFailure, _of_order: object) -> CloudEvent:
    about = failure.recorded.event
    event_id = f"{about.id}:{failure.attempts}"
    return about.model_copy(update={"id": event_id, "type": "GivenUp", "causationid": about.id})


async def until(condition: Callable[[], Awaitable[bool]], otherwise: Callable[[], str]) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            while not await condition():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"not reached: {otherwise()}") from None


def test_each_event_is_handled_once_or_given_up_aloud_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    for pace in ("_LOOK_SECONDS", "_WAIT_SECONDS", "_TURN_SECONDS", "_SAVE_SECONDS"):
        monkeypatch.setattr(partition, pace, 0.02)
    bounded = settings(
        max_examples=25,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # a failure within seconds; with Phase.shrink too, a shorter one after minutes
        print_blob=True,
    )
    run_state_machine_as_test(Delivery, settings=bounded)
