"""`python -m lab`: everything that is not part of a deployed system."""

import re

import typer

from lab.bench.command import bench
from lab.capacity.command import capacity
from lab.capacity.worker import measured
from lab.compare.command import compare
from lab.demo import demo
from lab.faults import __doc__ as faults_help
from lab.incidents import incidents
from lab.outages import outages
from lab.up import up
from lab.web import web
from lab.worker import worker
from wiring.program import exit_code_of, leave

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The laboratory: run the system with faults, measure it, and compare the two styles.",
)
for command in (up, web, demo, incidents, compare, outages, bench, capacity):
    app.command()(command)
# A table is no paragraph to be filled: the backspace makes the formatter keep it.
app.command(hidden=True)(measured)
app.command(epilog=re.sub(r"\n\n(?=    )", "\n\n\b\n", faults_help or ""))(worker)


def main() -> int:
    """Run a command; its exit code."""
    return exit_code_of(app, "python -m lab")


if __name__ == "__main__":
    leave(main())
