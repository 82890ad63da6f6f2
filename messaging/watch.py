"""How long a thing has been in one state, in observed time, since the wall clock may step.

Time counts while a process looks repeatedly, by a monotonic clock; it stands still while no process looks. The total is
stored, and the next process continues from it. Only one process may watch at a time.
"""

import time
from collections.abc import Callable, Collection

from sqlalchemy import Column, Connection, Float, String, Table, delete, insert, select, update

from messaging.failure import metadata
from messaging.progress import Progress

watches = Table(
    "watches",
    metadata,
    Column("name", String(50), primary_key=True),
    Column("seconds", Float, nullable=False, comment="that were watched in all"),
)
watched = Table(
    "watched",
    metadata,
    Column("name", String(50), primary_key=True),
    Column("thing", String(64), primary_key=True),
    Column("state", String(200), nullable=False),
    Column("since", Float, nullable=False, comment="by its watch"),
)

Seconds = Callable[[], float]


class Watch:
    """The watch of this name, for all processes.

    Args:
        longest: the most seconds that count between two looks; a longer gap was a stop, not a wait.
        clock: monotonic, in seconds.
    """

    def __init__(self, progress: Progress, name: str, longest: float, clock: Seconds = time.monotonic) -> None:
        self._progress = progress
        self._name = name
        self._longest = longest
        self._clock = clock
        self._looked_at: float | None = None
        self._recorded: float | None = None  # the total that this process stored last
        self._now = 0.0
        self._since: dict[str, tuple[str, float]] = {}

    def look(self, things: Collection[str]) -> float:
        """Begin a look at these things, and forget all others. Returns the seconds that were watched so far."""
        now = self._clock()
        with self._progress.database.begin() as tx:
            recorded = tx.scalar(select(watches.c.seconds).where(watches.c.name == self._name))
            if recorded is None:
                tx.execute(insert(watches), {"name": self._name, "seconds": 0.0})
            if recorded is None or recorded != self._recorded:  # the first look, or another process watched meanwhile
                self._now, self._since = recorded or 0.0, self._read(tx)
            else:
                went_by = 0.0 if self._looked_at is None else now - self._looked_at
                self._now = recorded + min(went_by, self._longest)
                tx.execute(update(watches).where(watches.c.name == self._name).values(seconds=self._now))
            gone = self._since.keys() - set(things)
            for thing in gone:
                tx.execute(delete(watched).where(watched.c.name == self._name, watched.c.thing == thing))
        for thing in gone:
            del self._since[thing]
        self._recorded, self._looked_at = self._now, now
        return self._now

    def pause(self) -> None:
        """Do not count the time until the next look: this process could not see anything."""
        self._looked_at = None

    def unchanged(self, thing: str, state: str) -> float:
        """For how many seconds this thing has been seen in this state; 0 the first time."""
        known, since = self._since.get(thing, (None, 0.0))
        if known == state:
            return self._now - since
        self._since[thing] = state, self._now
        row = {"name": self._name, "thing": thing, "state": state, "since": self._now}
        with self._progress.database.begin() as tx:
            tx.execute(delete(watched).where(watched.c.name == self._name, watched.c.thing == thing))
            tx.execute(insert(watched), row)
        return 0.0

    def _read(self, tx: Connection) -> dict[str, tuple[str, float]]:
        rows = tx.execute(select(watched).where(watched.c.name == self._name))
        return {row.thing: (row.state, row.since) for row in rows}
