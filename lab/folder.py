"""The data folder of `make up` and `make demo`: checked to be writable, and locked."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel.errors import SettingsError

_LOCK = "in-use.lock"


@contextmanager
def folder_of_our_own(folder: Path) -> Iterator[None]:
    """Create the folder, and lock it for the block. Raises SettingsError if it is not writable, or in use."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        lock = (folder / _LOCK).open("a")
    except OSError as error:
        raise SettingsError(
            f"the data folder {folder} cannot be written: {error.strerror}; set DATA_DIR to one that can"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(
                f"the data folder {folder} is in use by another 'make up' or 'make demo'; stop it, or choose another: "
                "make ... DATA_DIR=data/other"
            ) from None
        yield


def empty(folder: Path) -> None:
    """Delete everything except the lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != _LOCK:
            path.unlink()
