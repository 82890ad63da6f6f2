"""Output of the commands: one JSON document on standard output for scripts, or a few lines for people."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from getpass import getuser
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape as without_markup  # noqa: TID251 - only `shown`, below, calls it
from rich.table import Column, Table

from client.attention import at_the_deadline
from client.contracts import PendingStep, PlacedOrder, Stage, StepReport
from client.order_id import check_order_id
from client.order_query import why
from kernel.errors import UserError
from kernel.visible import visible, visible_json
from services.orders.contracts import OrderStatus
from settings import Settings

_WIDE = 100
# A file or a pipe has no width of its own; COLUMNS gives it one.
_WIDTH = None if "COLUMNS" in os.environ or (sys.stdout is not None and sys.stdout.isatty()) else 120

out = Console(highlight=False, soft_wrap=True, emoji=False, width=_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

_LOOKS = {
    OrderStatus.COMPLETED: ("✓", "green"),
    OrderStatus.REJECTED: ("–", "red"),  # no cross: this is how the order ended, and not a command that failed
    OrderStatus.CANCELLED: ("–", "yellow"),
    OrderStatus.NEEDS_ATTENTION: ("!", "bold red"),
    OrderStatus.IN_PROGRESS: ("…", "cyan"),
}
_SAY_MORE = (Stage.REVIEW, Stage.UNDOING)
_STEP_LOOKS = {
    "done": "green",
    "undone": "yellow",
    "refused": "red",
    "failed": "bold red",
    "running": "cyan",
    "retrying": "bold yellow",
}


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for scripts.")]


def _order_id(text: str) -> str:
    return check_order_id(text) if text else ""


OrderArgument = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.", callback=check_order_id)]
OfOrder = Annotated[str, typer.Option("--order", help="Only of this order.", callback=_order_id)]


Actor = Annotated[
    str,
    typer.Option("--actor", help="Name recorded with the decision; default: ACTOR, or the login name."),
]


def actor_of(settings: Settings, given: str) -> str:
    """The name to record with a decision."""
    try:
        return given or settings.actor or getuser()
    except (OSError, KeyError):
        return ""  # a container's user may have no name


class BadInput(UserError):
    """The user's input is invalid; one line says what is wrong and what to do."""


def shown(text: str) -> str:
    """A text from outside, escaped for the terminal: no markup and no control characters.

    Every text of an order, an event, a note or a service goes through here, `print_json` or `complain`.
    """
    return without_markup(visible(text))


def milliseconds_of(option: str, time: str) -> int:
    """A time from the command line in milliseconds since 1970; 0 if none was given. Raises BadInput."""
    if not time:
        return 0
    try:
        moment = datetime.fromisoformat(time)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadInput(f"{option} {time}: give a time such as 2026-03-01T12:00:00Z") from None


def print_json(document: object, *, indent: int | None = 2) -> None:
    """Print one document and flush it, for a reader that waits. Without `indent` it is one line."""
    text = json.dumps(
        document, ensure_ascii=not (sys.stdout.encoding or "utf-8").lower().startswith("utf"), indent=indent
    )
    sys.stdout.write(visible_json(text) + "\n")
    sys.stdout.flush()


def as_document(placed: PlacedOrder) -> dict[str, object]:
    """An order for scripts."""
    state = placed.state.model_dump(mode="json")
    pending = [one.model_dump(mode="json") for one in placed.pending]
    if placed.placed_at:
        state["placed_at"] = placed.placed_at.isoformat()
    if placed.customer_id:
        state["customer_id"] = placed.customer_id
    return state | {"pending": pending, "style": placed.style, "workflow_id": placed.workflow_id, "link": placed.link}


def show(placed: PlacedOrder) -> None:
    state = placed.state
    mark, style = _LOOKS[state.status]
    more = f", {state.stage}" if state.stage in _SAY_MORE else ""
    line = f"[{style}]{mark} {shown(state.order_id)} {state.status}{more}[/]"
    line += f"  {state.total}" if state.total else ""
    line += f"  parcel {shown(state.tracking_number)}" if state.tracking_number else ""
    out.print(line)
    if state.reason:
        out.print(f"  {shown(state.reason)}")
    for problem in state.problems:
        out.print(f"  [bold red]cannot be done:[/] {shown(problem)}")
    if state.problems:
        out.print(f"  try again:       starter.py resolve {shown(state.order_id)} retry")
        out.print(f"  settled by hand: starter.py resolve {shown(state.order_id)} resolved --note TEXT")
    if state.stage is Stage.REVIEW:
        out.print(f"  approve: starter.py review {shown(state.order_id)} approve")
        out.print(f"  decline: starter.py review {shown(state.order_id)} decline")
        if state.deadline:
            out.print(f"  Without a decision it is declined in {in_words(state.deadline - datetime.now(UTC))}.")
    out.print(f"  {shown(placed.link)}" if placed.link else f"  starter.py trace {shown(state.order_id)}")


def steps_table(placed: PlacedOrder) -> Table:
    """The steps and the undos, each with its own state: `done` is an undo that was done."""
    state, table = placed.state, Table()
    table.add_column("step")
    table.add_column("state")
    table.add_column("detail", overflow="fold")
    pending = {one.step: one for one in placed.pending}
    for report in state.steps:
        _add_step(table, report, pending.pop(report.step, None))
    for one in pending.values():  # no event says of a choreographed order that a step has begun
        _add_step(table, StepReport(step=one.step, state="running"), one)
    return table


def in_words(span: timedelta) -> str:
    """A duration in one unit, for people."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _add_step(table: Table, report: StepReport, pending: PendingStep | None) -> None:
    state, detail = report.state, report.detail
    if pending and pending.error:
        state, detail = "retrying", _tried(pending, datetime.now(UTC))
    look = _STEP_LOOKS.get(state, "default")
    table.add_row(shown(report.step), f"[{look}]{'done' if state == 'undone' else state}", shown(detail))


def _tried(pending: PendingStep, now: datetime) -> str:
    until = f"; in {in_words(pending.deadline - now)} {at_the_deadline(pending.step)}" if pending.deadline else ""
    return f"{pending.error}; attempt {pending.attempt}, for {in_words(now - pending.since)}{until}"


def orders_table(orders: Iterable[PlacedOrder]) -> Table:
    """For at least 80 columns. A long id is folded, never cut: two cut ids might look the same."""
    listed, is_wide, now = list(orders), out.width >= _WIDE, datetime.now(UTC)
    table = Table() if is_wide else Table(box=box.SIMPLE_HEAD, pad_edge=False)
    longest = max(map(len, ("order", *(placed.state.order_id for placed in listed))))
    statuses = [_stands(placed) for placed in listed]
    widest = max(map(len, ("status", *statuses)))
    own_line = min(longest, out.width - (92 if is_wide else 43 + widest))
    table.add_column("order", overflow="fold", min_width=own_line, max_width=own_line)
    if is_wide:
        table.add_column("style")
    table.add_column("status", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True, min_width=6)  # 59 min
    table.add_column("amount", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for placed, stands in zip(listed, statuses, strict=True):
        state, (mark, style) = placed.state, _LOOKS[placed.state.status]
        age = in_words(now - placed.placed_at) if placed.placed_at else ""
        amount = str(state.total) if state.total else ""
        styles = [placed.style] if is_wide else []
        said = f"{mark} {stands}" if is_wide else stands
        reason = why(placed) if is_wide else why(placed).partition(":")[0]
        table.add_row(shown(state.order_id), *styles, f"[{style}]{said}", age, amount, shown(reason))
    return table


def _stands(placed: PlacedOrder) -> str:
    """What `list` takes for `--status`, or for `--stage` where that says more."""
    return str(placed.state.stage if placed.state.stage in _SAY_MORE else placed.state.status)


def table_of(*columns: str, rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for row in rows:
        table.add_row(*(shown(cell) for cell in row))
    return table


def counts_table(orders: Iterable[PlacedOrder]) -> Table:
    counts = Counter(placed.state.status for placed in orders)
    return table_of("status", "orders", rows=[(status, str(number)) for status, number in counts.most_common()])
