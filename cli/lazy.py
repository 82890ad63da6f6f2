"""Commands whose modules are loaded when they run, so that `--help` and a mistyped option load none of them."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer._click import Command, Context  # Typer has its own copy of Click, and exports no name for these two
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@contextmanager
def _without_collection() -> Iterator[None]:
    """Imports leave no garbage: to search for it again and again costs a tenth of a command's start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class Entry(NamedTuple):
    """A line of the table of commands.

    Attributes:
        help: its line in the list of commands; the first line of the command's own help.
        where: `module:name` of its function, or of the Typer app that has its subcommands.
    """

    name: str
    help: str
    where: str

    def load(self) -> Command:
        module, _, name = self.where.partition(":")
        with _without_collection():
            found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            return get_command(found)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(self.name)(found)
        return get_command(app)


class _Deferred(TyperCommand):
    """A placeholder in the list of commands; the command is loaded when its arguments are parsed."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.name, help=entry.help, rich_markup_mode=None)
        self._entry = entry

    def make_context(
        self, info_name: str | None, args: list[str], parent: Context | None = None, **extra: Any
    ) -> Context:
        return self._entry.load().make_context(info_name, args, parent, **extra)


class LazyGroup(TyperGroup):
    """A program's commands; a subclass gives the table."""

    table: ClassVar[Sequence[Entry]] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": {entry.name: _Deferred(entry) for entry in self.table}})
