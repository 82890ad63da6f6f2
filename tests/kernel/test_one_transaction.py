"""What belongs together is in one transaction: a process that dies between two leaves all of it or none.

An effect, the answer that a repeat gets, its event, and the note that its cause was received.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Connection, Table, insert

from kernel import inbox, outbox
from kernel.database import Database
from kernel.errors import Refusal
from kernel.operations import Operations, operations
from services.inventory.contracts import NotEnoughStock, Reserved
from services.inventory.events import OutOfStock, StockReleased, StockReserved
from services.inventory.tables import reservations
from tests.databases import Databases, rows
from tests.events import event
from tests.services.samples import MUG, ORDER, Clock, reserve, undo

CAUSE = event(ORDER)
COMMAND = reserve({MUG: 2}).model_copy(update={"cause": CAUSE})
UNDO = undo("reserve", ORDER).model_copy(update={"cause": CAUSE})


class Dead(BaseException):
    """The process is no more."""


class Mortal(Database):
    """It dies after this number of commits."""

    def __init__(self, url: str, commits: int) -> None:
        super().__init__(url)
        self._left = commits

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        if self._left == 0:
            raise Dead
        with super().begin() as tx:
            yield tx
        self._left -= 1


def write(tx: Connection) -> None:
    tx.execute(insert(reservations), [line.model_dump() | {"order_id": ORDER} for line in COMMAND.lines])


def do(database: Database) -> None:
    def effect(tx: Connection) -> tuple[Reserved, StockReserved]:
        write(tx)
        return Reserved(), StockReserved(lines=COMMAND.lines)

    Operations(database, Clock()).do(COMMAND, Reserved, effect)


def refuse(database: Database) -> None:
    def effect(_tx: Connection) -> tuple[Reserved, StockReserved]:
        raise NotEnoughStock("none left")

    with suppress(Refusal):
        Operations(database, Clock()).do(COMMAND, Reserved, effect, refused=OutOfStock)


def take_back(database: Database) -> None:
    nothing = StockReleased(had_effect=False)
    Operations(database, Clock()).undo(UNDO, lambda _tx: nothing, otherwise=nothing)


def consume(database: Database) -> None:
    inbox.once(database, CAUSE, write)


@pytest.fixture
def url(sqlite_databases: Databases) -> str:
    sqlite_databases.migrated("inventory")
    return sqlite_databases.url("inventory")


@pytest.mark.parametrize(
    ("act", "together"),
    [
        (do, (reservations, operations, outbox.outbox, inbox.inbox)),
        (refuse, (operations, outbox.outbox, inbox.inbox)),
        (take_back, (operations, outbox.outbox, inbox.inbox)),
        (consume, (reservations, inbox.inbox)),
    ],
)
@pytest.mark.parametrize("commits", range(4))
def test_it_is_all_there_or_not_at_all_wherever_the_process_dies(
    url: str, act: Callable[[Database], None], together: tuple[Table, ...], commits: int
) -> None:
    database = Mortal(url, commits)
    with suppress(Dead):
        act(database)
    database.close()
    intact = Database(url)
    there = {table.name: bool(rows(intact, table, next(iter(table.columns)).name)) for table in together}
    assert len(set(there.values())) == 1, there
    if not any(there.values()):
        act(intact)  # as a redelivery does
    counts = {table.name: len(rows(intact, table, next(iter(table.columns)).name)) for table in together}
    assert set(counts.values()) == {1}, counts
    intact.close()
