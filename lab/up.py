"""`make up`: a server and a worker in the foreground, until Ctrl-C."""

from cli.console import out
from lab.faults import check_faults
from lab.folder import folder_of_our_own
from lab.pasted import pasted
from lab.servers.temporal import DevServer
from lab.settings import LabSettings, load
from lab.web import address, with_stage
from lab.worker_process import WorkerProcess
from wiring.program import complain
from wiring.stopping import is_asked_to_stop, listening


def up() -> int:
    """Run a dev server, a worker and the page, until Ctrl-C.

    With FAULTS set, the worker injects them: see 'python -m lab worker --help'.
    """
    settings = load()
    check_faults(settings)  # now, and not when a server runs already
    with listening(), folder_of_our_own(settings.data_dir):
        return _up(settings)


def _up(settings: LabSettings) -> int:
    server = DevServer(settings)
    worker, page = WorkerProcess(with_stage(settings)), WorkerProcess(settings, program="web")
    try:
        if server.is_wanted():
            out.print("Starting the Temporal dev server ...")
            server.start()
            out.print(f"Temporal UI:    http://localhost:{settings.ui_port}")
        out.print(f"The page:       {address()}")
        out.print(f"Place an order: {pasted(settings, 'place', '--item', 'mug=2')}")
        out.print("Stop:           Ctrl-C")
        if not is_asked_to_stop():
            worker.start()
            page.start()
        while not is_asked_to_stop():
            if worker.wait(0.2):
                complain("the worker does not stay up; its last words are above")
                return worker.exit_code or 1
        out.print("Stopping ...")
        return 0
    finally:
        page.stop()
        worker.stop()
        server.stop()
