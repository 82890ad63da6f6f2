"""How every program here ends: whatever a user can cause is one line on standard error, and an exit code."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import typer
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from kernel.environment import one_line
from kernel.errors import UserError
from kernel.visible import visible

GOOD, BAD_END, BAD_INPUT = 0, 1, 2
_INTERRUPTED = 130


def exit_code_of(command: Callable[[], int | None]) -> int:
    """Run a command; its exit code."""
    try:
        code = command() or GOOD
        sys.stdout.flush()
    except UserError as error:
        complain(error.for_user())
    except typer.TyperException as error:
        message = getattr(error, "format_message", error.__str__)()
        if message:  # without one, the help has been shown
            complain(f"{message} (see --help)")
    except RPCError as error:
        complain(f"the Temporal server did not answer as it should: {one_line(error)}")
    except SQLAlchemyError as error:
        complain(f"a database does not answer as it should: {one_line(error)[:300]}")
    except UnicodeEncodeError:
        complain("a word on the command line is not text: it has bytes that are not UTF-8")
    except OSError as error:
        complain(f"cannot write or read: {error.strerror or one_line(error)}")
    except (typer.Abort, KeyboardInterrupt):
        complain("stopped; orders that were placed go on by themselves")
        return _INTERRUPTED
    else:
        return code
    return BAD_INPUT


def complain(message: str) -> None:
    """One line on standard error, with foreign text in it made visible."""
    typer.secho("✗ ", fg="red", nl=False, err=True)
    typer.echo(visible(" ".join(message.split())), err=True)


def end_as_by_ctrl_c() -> None:
    """On each of these signals, the program ends what it started; also when it began with Ctrl-C ignored.

    A shell without job control ignores SIGINT in what it starts in the background, and asyncio heeds only Python's own
    handler of it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


def leave(code: int) -> NoReturn:
    """End the process at once: the SDK's threads may call into an interpreter that is on its way out, and abort it."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
