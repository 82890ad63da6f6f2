"""How every program here ends: whatever a user can cause is one line on standard error, and an exit code."""

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

import typer
from typer._click.exceptions import NoArgsIsHelpError  # Typer's own copy of Click; it exports no name for this
from typer.main import get_command

from kernel.errors import UserError
from kernel.visible import visible

GOOD, BAD_END, BAD_INPUT = 0, 1, 2
_INTERRUPTED = 130


def exit_code_of(app: typer.Typer, name: str) -> int:
    """Run the command line that this process was given; its exit code.

    Args:
        name: the program's, as its help calls it.
    """
    try:
        code = _invoke(app, name)
        sys.stdout.flush()
    except UserError as error:
        complain(error.for_user())
    except NoArgsIsHelpError as error:
        typer.echo(error.format_message(), err=True)
    except typer.TyperException as error:
        complain(f"{getattr(error, 'format_message', error.__str__)()} (see --help)")
    except UnicodeEncodeError:
        complain("a word on the command line is not text: it has bytes that are not UTF-8")
    except OSError as error:
        complain(f"cannot write or read: {error.strerror or error}")
    except (typer.Abort, KeyboardInterrupt):
        complain("stopped; orders that were placed go on by themselves")
        return _INTERRUPTED
    except Exception as error:
        text = _of_a_server(error)
        if not text:
            raise
        complain(text)
    else:
        return code
    return BAD_INPUT


def _invoke(app: typer.Typer, name: str) -> int:
    """As Typer's own `main` does, which would end by itself when a pipe is closed or Ctrl-C is pressed."""
    command = get_command(app)
    command._main_shell_completion({}, name)
    try:
        with command.make_context(name, sys.argv[1:]) as context:
            code: int | None = command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    return code or GOOD


def _of_a_server(error: Exception) -> str:
    """What a server or a database did not do, or nothing if this is a bug."""
    from sqlalchemy.exc import SQLAlchemyError  # these are loaded late: commands start often, and most go well
    from temporalio.service import RPCError

    from kernel.environment import one_line

    if isinstance(error, RPCError):
        return f"the Temporal server did not answer as it should: {one_line(error)}"
    if isinstance(error, SQLAlchemyError):
        return f"a database does not answer as it should: {one_line(error)[:300]}"
    return ""


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
