"""`make up`: a server and a worker in the foreground, until Ctrl-C."""

import signal
import threading
from types import FrameType

from cli.console import out
from lab.servers.temporal import DevServer
from lab.settings import load
from lab.worker_process import WorkerProcess
from wiring.program import complain


def up() -> int:
    """Run a dev server and a worker in the foreground, until Ctrl-C; with FAULTS, as the worker's help describes."""
    settings = load()
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    server = DevServer(settings)
    worker = WorkerProcess(settings)
    try:
        if server.is_wanted():
            out.print("Starting the Temporal dev server ...")
            server.start()
            out.print(f"Temporal UI:    http://localhost:{settings.ui_port}")
        out.print("Place an order: .venv/bin/python starter.py place --item mug=2")
        out.print("Stop:           Ctrl-C")
        if not stop.is_set():
            worker.start()
        while not stop.is_set():
            if worker.wait(0.2):
                complain("the worker does not stay up; its last words are above")
                return worker.exit_code or 1
        out.print("Stopping ...")
        return 0
    finally:
        worker.stop()
        server.stop()
