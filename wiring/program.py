"""How every program ends: an error that a user can cause is one line on standard error, and an exit code."""

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

import typer
from typer._click.exceptions import NoArgsIsHelpError  # Typer's own copy of Click; it exports no name for this
from typer.main import get_command

from kernel.errors import SettingsError, UserError
from kernel.visible import visible
from wiring.stopping import Stopped
from wiring.streams import lost_output, standard_streams

GOOD, BAD_END, BAD_INPUT = 0, 1, 2

_PATHS = ("--file", "--folder")


def exit_code_of(app: typer.Typer, name: str) -> int:
    """Run the command line that this process was given; returns its exit code.

    Args:
        name: the program's name in its help.
    """
    with standard_streams() as out:
        code = _ended(app, name)
        out.flush()
        if lost := lost_output(out):
            complain(f"the result could not be written: {lost}")
            return max(code, BAD_END)
        return code


def _ended(app: typer.Typer, name: str) -> int:
    try:
        return _invoke(app, name)
    except NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
    except typer.TyperException as error:
        complain(f"{getattr(error, 'format_message', error.__str__)()} (see --help)")
    except Stopped as stopped:
        _note("–", "yellow", str(stopped) or "stopped")
        return stopped.exit_code
    except KeyboardInterrupt:
        _note("–", "yellow", "stopped")
        return 128 + signal.SIGINT
    except Exception as error:
        text = foreseen(error)
        if not text:
            raise
        complain(text)
    return BAD_INPUT


def _invoke(app: typer.Typer, name: str) -> int:
    """As Typer's own `main`, which would exit by itself when a pipe is closed or Ctrl-C is pressed."""
    arguments = sys.argv[1:]
    _check_encoding(arguments)
    command = get_command(app)
    command._main_shell_completion({}, name)
    try:
        with command.make_context(name, arguments) as context:
            code: int | None = command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    return code or GOOD


def _check_encoding(arguments: list[str]) -> None:
    """A path may have any bytes; every other argument must be text, since it is stored. Raises SettingsError."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        is_path = before in _PATHS or argument.partition("=")[0] in _PATHS
        if not is_path and not argument.isascii() and any("\ud800" <= one <= "\udfff" for one in argument):
            encoding = sys.getfilesystemencoding().upper()
            raise SettingsError(f"'{argument[:80]}' is not text: it has bytes that are not {encoding}")


def foreseen(error: Exception) -> str:
    """One line for an error by a user, a server or a database; empty for a bug."""
    if isinstance(error, UserError):
        return error.for_user()
    from sqlalchemy.exc import SQLAlchemyError  # imported late: commands start often, and most succeed
    from temporalio.service import RPCError

    from kernel.environment import one_line

    if isinstance(error, RPCError):
        return f"the Temporal server did not answer as it should: {one_line(error)}"
    if isinstance(error, SQLAlchemyError):
        return f"a database does not answer as it should: {one_line(error)[:300]}"
    if isinstance(error, OSError):
        return f"cannot write or read: {error.strerror or error}"
    return ""


def complain(message: str) -> None:
    """Print why a command failed: one line on standard error, in which control characters are made visible."""
    _note("✗", "red", message)


def warn(message: str) -> None:
    """Print a warning about a command that succeeded."""
    _note("!", "yellow", message)


def _note(mark: str, colour: str, message: str) -> None:
    mark = typer.style(mark, fg=colour) if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else mark
    sys.stderr.write(f"{mark} {visible(' '.join(message.split()))}\n")
    sys.stderr.flush()


def leave(code: int) -> NoReturn:
    """End the process at once: in a normal exit, the SDK's threads may still call the interpreter, and abort it."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
