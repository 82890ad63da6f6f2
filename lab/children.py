"""Ends the laboratory's child processes when it ends, even by SIGKILL: a guard process watches it.

One small guard serves all children. It reads their pids from a pipe, which the operating system closes when this
program ends for any reason. The guard then ends the remaining children.
"""

import atexit
import os
import subprocess
import sys
import threading

_GUARD = """
import os, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
left = set()
for line in sys.stdin:
    (left.add if line[0] == "+" else left.discard)(int(line[1:]))
def end(number):
    for pid in list(left):
        try:
            os.killpg(pid, number)
        except OSError:
            left.discard(pid)
end(signal.SIGTERM)
deadline = time.monotonic() + 5
while left and time.monotonic() < deadline:
    time.sleep(0.05)
    end(0)
end(signal.SIGKILL)
"""

_lock = threading.Lock()  # never taken by a signal's handler
_guard: subprocess.Popen[bytes] | None = None


def started(pid: int) -> None:
    """Register the leader of a process group, which is to end with this program."""
    _write(f"+{pid}\n")


def ended(pid: int) -> None:
    """Unregister a process that has ended, since its pid may be reused."""
    _write(f"-{pid}\n")


def _write(line: str) -> None:
    global _guard
    with _lock:
        if _guard is None:
            _guard = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _GUARD],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            atexit.register(_end_guard, _guard)
        assert _guard.stdin is not None
        os.write(_guard.stdin.fileno(), line.encode())


def _end_guard(guard: subprocess.Popen[bytes]) -> None:
    assert guard.stdin is not None
    guard.stdin.close()
    guard.wait()
