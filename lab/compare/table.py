"""The table of a comparison: a row for each figure with its meaning, a column for each style."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Column, Table

from lab.compare.figures import UNFINISHED, Figures, KillFigures, Spread
from services.orders.contracts import OrderStatus

Cell = Callable[[Figures], str]


@dataclass(frozen=True)
class Row:
    label: str
    cell: Cell
    meaning: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    rows: tuple[Row, ...]


def terminal_table(styles: Sequence[Figures]) -> Table:
    columns = [Column(one.style, justify="right", overflow="fold") for one in styles]
    table = Table("", *columns, box=box.SIMPLE_HEAD)
    for section in SECTIONS:
        table.add_row(f"[bold]{section.title}")
        for row in section.rows:
            table.add_row(f"  {row.label}", *(row.cell(one) for one in styles))
        table.add_section()
    return table


def _ended(status: str) -> Cell:
    return lambda one: str(one.ends.get(status, 0))


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _spread(spread: Spread) -> str:
    return f"{_seconds(spread.median)} / {_seconds(spread.greatest)}" if spread.count else "–"


def _cancelled_in_time(one: Figures) -> str:
    wished = one.ends_by_kind.get("cancelled", {})
    return f"{wished.get(OrderStatus.CANCELLED, 0)} of {sum(wished.values())}" if wished else "–"


def _of_kills(one: Figures, figure: Callable[[KillFigures], float | None]) -> str:
    return _spread(Spread.of(value for kill in one.kills if (value := figure(kill)) is not None))


SECTIONS = (
    Section(
        "How the orders ended",
        (
            Row("completed", _ended(OrderStatus.COMPLETED)),
            Row("rejected", _ended(OrderStatus.REJECTED)),
            Row("cancelled", _ended(OrderStatus.CANCELLED)),
            Row("needs attention", _ended(OrderStatus.NEEDS_ATTENTION)),
            Row(UNFINISHED, _ended(UNFINISHED), "neither ended nor waiting for an operator when the run was given up."),
            Row(
                "ended without an event",
                lambda one: str(one.ended_unpublished),
                "the bus has no event of them, not even of the end: they were cancelled before the first step, so no "
                "service had anything to do, or to publish.",
            ),
            Row(
                "cancellations in time",
                _cancelled_in_time,
                "a customer who cancels after the parcel is booked gets the parcel, so these differ between runs.",
            ),
            Row(
                "invariant violations",
                lambda one: str(len(one.violations)),
                "what `starter.py audit` finds in all databases, on the bus and in the audit log; and whether each "
                "order's own record says what its events say, and each event was logged once.",
            ),
            Row(
                "requests absorbed",
                lambda one: str(one.repeated_requests),
                "requests that came to a service again under a key that it had answered: the column `repeats` of the "
                "table `operations`, of all services.",
            ),
            Row(
                "events absorbed",
                lambda one: str(one.repeated_events),
                "events that came to a consumer again: the column `repeats` of all inboxes, those of notifications, "
                "analytics and the audit log included.",
            ),
            Row("dead letters", lambda one: str(one.dead_letters), "events that a consumer gave up."),
        ),
    ),
    Section(
        "How long it took",
        (
            Row(
                "until the last order was finished",
                lambda one: _seconds(one.seconds_to_rest),
                "from the first placing to the last OrderCompleted, OrderRejected or OrderCancelled, by the time that "
                "the event itself carries.",
            ),
            Row(
                "an order, p50 / p99",
                lambda one: f"{_seconds(one.p50)} / {_seconds(one.p99)}",
                "from placing to that event, of the orders that no person held up: those to be reviewed and those "
                "to be cancelled are left out, however they ended.",
            ),
            Row(
                "stock of failed orders held, median / longest",
                lambda one: _spread(one.stock_held),
                "StockReserved to StockReleased, of the orders that were rejected or cancelled after stock was taken "
                "for them, the time that a reviewer took included.",
            ),
            Row(
                "the same, pieces × seconds",
                lambda one: f"{one.stock_piece_seconds:.1f}",
                "stock that could not be sold to anybody else meanwhile.",
            ),
            Row(
                "money of failed orders kept, median / longest",
                lambda one: _spread(one.money_kept),
                "PaymentProcessed to PaymentRefunded, of those that were charged.",
            ),
            Row(
                "refund and release apart, median / longest",
                lambda one: _spread(one.refund_and_release_apart),
                "between PaymentRefunded and StockReleased, whichever came first: how long money and stock of a "
                "failed order disagreed.",
            ),
        ),
    ),
    Section(
        "What it cost, an order",
        (
            Row(
                "rows written",
                lambda one: _number(one.rows_written_an_order),
                "rows inserted, updated and deleted in all databases of services, companies, bus, consumers and "
                "subscribers: counted by triggers in the writes' own transactions, so that a crash loses none. The "
                "Temporal server's own database, the faults' and a NATS server's files are not in it.",
            ),
            Row(
                "events on the bus",
                lambda one: _number(one.events_an_order),
                "the messages, people's included.",
            ),
            Row("history events", lambda one: _number(one.history_events_an_order), "in the workflow's history."),
            Row(
                "state transitions",
                lambda one: _number(one.state_transitions_an_order),
                "what the Temporal server counts as writes of a workflow's state.",
            ),
        ),
    ),
    Section(
        "What a crash did",
        (
            Row(
                "kills, and starts of the worker again",
                lambda one: f"{len(one.kills)}, {one.restarts}",
                "SIGKILL to the worker each time that it had been ready for so long; faults may kill it too.",
            ),
            Row(
                "ready again after a kill, median / longest",
                lambda one: _of_kills(one, lambda kill: kill.ready_after),
                "from SIGKILL to the new process' saying so; starting Python is most of it.",
            ),
            Row(
                "first step of any order, median / longest",
                lambda one: _of_kills(one, lambda kill: kill.first_step_after),
                "from SIGKILL to the first event that a service recorded.",
            ),
            Row(
                "next step of an order under way, median / longest",
                lambda one: _spread(one.next_step_after_kill),
                "from SIGKILL to the next event of each order that was placed and had not ended, across further "
                "kills if need be.",
            ),
        ),
    ),
    Section(
        "What explains one rejected order",
        (
            Row(
                "records behind it",
                lambda one: _count(one.records_of_a_failed_order),
                "middle value: orchestrated, the events of its one workflow's history; choreographed, its events on "
                "the bus, as `starter.py trace` shows them.",
            ),
            Row(
                "who wrote them",
                lambda one: _count(one.writers_of_a_failed_order),
                "one workflow; or the number of services and people whose events have to be put together.",
            ),
            Row(
                "lines of `status`",
                lambda one: _count(one.status_lines_of_a_failed_order),
                "steps that `starter.py status` shows; of a choreographed order it puts them together from its events.",
            ),
        ),
    ),
)
