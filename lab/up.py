"""`make up`: a server and a worker in the foreground, until Ctrl-C."""

import signal
from types import FrameType

from cli.console import out
from lab.servers.temporal import DevServer
from lab.settings import load
from lab.web import address, with_stage
from lab.worker_process import WorkerProcess
from wiring.program import complain


class Stop:
    """Whether a signal has asked this program to end.

    Its handler does no more than note that: it may interrupt itself, so a lock that it takes may be its own already.
    """

    def __init__(self) -> None:
        self.is_asked_for = False

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.is_asked_for = True


def up() -> int:
    """Run a dev server, a worker and the page, until Ctrl-C; with FAULTS, as the worker's help describes."""
    settings = load()
    stop = Stop()
    stop.listen()
    server = DevServer(settings)
    worker, page = WorkerProcess(with_stage(settings)), WorkerProcess(settings, program="web")
    try:
        if server.is_wanted():
            out.print("Starting the Temporal dev server ...")
            server.start()
            out.print(f"Temporal UI:    http://localhost:{settings.ui_port}")
        out.print(f"The page:       {address()}")
        out.print("Place an order: .venv/bin/python starter.py place --item mug=2")
        out.print("Stop:           Ctrl-C")
        if not stop.is_asked_for:
            worker.start()
            page.start()
        while not stop.is_asked_for:
            if worker.wait(0.2):
                complain("the worker does not stay up; its last words are above")
                return worker.exit_code or 1
        out.print("Stopping ...")
        return 0
    finally:
        page.stop()
        worker.stop()
        server.stop()
