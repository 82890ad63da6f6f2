"""Named locks: one process at a time holds one, and a process that dies releases it at once.

On one machine, a lock is the operating system's lock on a file; across machines, it is PostgreSQL's session-level
advisory lock. Neither has a lease to wait for, and neither outlives its holder. A process that loses a lock without
noticing may still be working: what the lock protects must be idempotent.
"""

import asyncio
import fcntl
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError


class Locks(Protocol):
    def take(self, name: str) -> bool:
        """Take the lock if it is free; returns whether it was taken."""
        ...

    def release(self, name: str) -> None:
        """Release the lock, if it is ours."""
        ...

    def close(self) -> None: ...


@asynccontextmanager
async def held(locks: Locks, name: str, take: Callable[[str], Awaitable[bool]] | None = None) -> AsyncIterator[bool]:
    """Hold the lock for the block, if it can be taken; yields whether it was.

    Args:
        take: takes the lock, and may wait for it; by default, one attempt.
    """
    ours = await (take(name) if take else asyncio.to_thread(locks.take, name))
    try:
        yield ours
    finally:
        if ours:
            await asyncio.to_thread(locks.release, name)


class FileLocks:
    """Locks between the processes of one machine that share the folder, and between the objects of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def take(self, name: str) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._held[name] = descriptor
        return True

    def release(self, name: str) -> None:
        if name in self._held:
            os.close(self._held.pop(name))  # closing releases it

    def close(self) -> None:
        for name in list(self._held):
            self.release(name)


class PostgresLocks:
    """Locks between all processes that use one PostgreSQL database. One connection holds them all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._session: Connection | None = None
        self._held: set[str] = set()
        self._mutex = threading.Lock()

    def take(self, name: str) -> bool:
        """Raises SQLAlchemyError."""
        with self._mutex:
            if name in self._held:
                return False  # PostgreSQL would grant a session its own lock again
            if self._run("SELECT pg_try_advisory_lock(:lock)", name):
                self._held.add(name)
                return True
            return False

    def release(self, name: str) -> None:
        """Raises SQLAlchemyError."""
        with self._mutex:
            if name in self._held:
                self._held.discard(name)
                self._run("SELECT pg_advisory_unlock(:lock)", name)

    def close(self) -> None:
        with self._mutex:
            self._held.clear()
            if self._session is not None:
                self._session.detach()  # otherwise the pool would keep the connection, with its locks
                self._session.close()
                self._session = None

    def _run(self, statement: str, name: str) -> bool:
        if self._session is None:
            self._session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        try:
            return bool(self._session.scalar(text(statement), {"lock": number}))
        except SQLAlchemyError:
            # The session has ended, and with it all its locks.
            self._session.invalidate()
            self._session.close()
            self._session = None
            self._held.clear()
            raise
