"""What `make bench` says: ratios to the bare workflow first, for the machine's own speed cancels out in them."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Column, Table

from lab.bench.measure import Cost, Round, median, percentile

RATE_AIM, EVENTS_AIM, TRANSITIONS_AIM = 0.7, 40, 26

_NOTES = (
    "Middle values of the rounds, p50 and p99 of all their orders; saga/bare: of rounds that ran one after the other.",
    "Worker CPU is this whole process': workers, services with their databases, and the client that places the orders.",
    "The bare workflow: four empty asynchronous activities, one after the other (see lab/bench/baseline.py).",
)


@dataclass(frozen=True)
class Pair:
    """A round of the bare workflow and the round of orders that ran beside it."""

    bare: Round
    saga: Round


@dataclass(frozen=True)
class Ratio:
    least: float
    middle: float
    most: float


@dataclass(frozen=True)
class Comparison:
    """One figure of both flows; None for what could not be seen."""

    figure: str
    bare: float | None
    saga: float | None
    ratio: Ratio | None


@dataclass(frozen=True)
class Tenth:
    """A tenth of a long run. Memory in MB, CPU in milliseconds an order."""

    orders: int
    rate: float
    memory: float | None
    worker_cpu: float
    server_cpu: float | None


Figure = Callable[[Sequence[Round]], float | None]

_FIGURES: dict[str, Figure] = {
    "completed a second": lambda rounds: median(rounds, lambda one: one.rate),
    "p50, ms": lambda rounds: percentile(rounds, 50) * 1000,
    "p99, ms": lambda rounds: percentile(rounds, 99) * 1000,
    "worker CPU an order, ms": lambda rounds: median(rounds, lambda one: _each(one, one.worker_cpu)),
    "server CPU an order, ms": lambda rounds: median(rounds, lambda one: _each(one, one.server_cpu)),
}
_RATE = next(iter(_FIGURES))


@dataclass(frozen=True)
class Compared:
    """Both flows side by side, at each number of orders at once, and what one of each costs."""

    at_once: dict[int, list[Comparison]]
    bare: Cost
    saga: Cost

    def table(self) -> Table:
        table = _table("", "bare", "saga", "saga/bare", "least – most", "aim")
        for at_once, comparisons in self.at_once.items():
            table.add_row(f"[bold]{at_once} at once")
            for one in comparisons:
                _add_comparison(table, one)
            table.add_section()
        table.add_row("[bold]the dearest of a few")
        self._add_costs(table)
        table.caption = "\n".join(_NOTES)
        return table

    def _add_costs(self, table: Table) -> None:
        for name, bare, saga, aim in (
            ("history events", self.bare.history_events, self.saga.history_events, f"≤ {EVENTS_AIM}"),
            ("state transitions", self.bare.state_transitions, self.saga.state_transitions, f"≤ {TRANSITIONS_AIM}"),
            ("bytes of history", self.bare.history_bytes, self.saga.history_bytes, ""),
            ("database transactions", self.bare.transactions, self.saga.transactions, ""),
        ):
            table.add_row(f"  {name}", str(bare), str(saga), f"{saga / bare:.2f}" if bare else "–", "", aim)


@dataclass(frozen=True)
class Soak:
    """A long run. `memory_growth` is from the end of the first tenth to the end of the last, in MB."""

    tenths: list[Tenth]
    second_half_to_first: float
    memory_growth: float | None

    def table(self) -> Table:
        table = _table("orders", "a second", "worker CPU, ms", "server CPU, ms", "worker memory, MB")
        placed = 0
        for one in self.tenths:
            placed += one.orders
            table.add_row(str(placed), *map(_number, (one.rate, one.worker_cpu, one.server_cpu, one.memory)))
        growth = "not seen" if self.memory_growth is None else f"{self.memory_growth:+.1f} MB since the first tenth"
        table.caption = f"The second half's rate is {self.second_half_to_first:.2f} of the first's. Memory: {growth}."
        return table


def compare(pairs: Sequence[Pair]) -> list[Comparison]:
    bare, saga = [pair.bare for pair in pairs], [pair.saga for pair in pairs]
    return [Comparison(name, figure(bare), figure(saga), _ratio(figure, pairs)) for name, figure in _FIGURES.items()]


def tenth(one: Round, memory: float | None) -> Tenth:
    return Tenth(one.orders, one.rate, memory, one.worker_cpu / one.orders * 1000, _each(one, one.server_cpu))


def soaked(tenths: list[Tenth]) -> Soak:
    half = len(tenths) // 2
    first, last = tenths[0].memory, tenths[-1].memory
    return Soak(
        tenths=tenths,
        second_half_to_first=_rate_of(tenths[half:]) / _rate_of(tenths[:half]),
        memory_growth=None if first is None or last is None else last - first,
    )


def _add_comparison(table: Table, one: Comparison) -> None:
    aim = f"≥ {RATE_AIM}" if one.figure == _RATE else ""
    middle = f"[bold]{one.ratio.middle:.2f}" if one.ratio else "–"
    spread = f"{one.ratio.least:.2f} – {one.ratio.most:.2f}" if one.ratio else ""
    table.add_row(f"  {one.figure}", _number(one.bare), _number(one.saga), middle, spread, aim)


def _table(first: str, *others: str) -> Table:
    columns = [Column(first, no_wrap=True), *(Column(name, justify="right", no_wrap=True) for name in others)]
    return Table(*columns, box=box.SIMPLE_HEAD, caption_justify="left")


def _ratio(figure: Figure, pairs: Sequence[Pair]) -> Ratio | None:
    ratios = []
    for pair in pairs:
        bare, saga = figure([pair.bare]), figure([pair.saga])
        if not bare or saga is None:
            return None
        ratios.append(saga / bare)
    return Ratio(min(ratios), statistics.median(ratios), max(ratios))


def _each(one: Round, seconds: float | None) -> float | None:
    """Milliseconds an order."""
    return None if seconds is None else seconds / one.orders * 1000


def _rate_of(tenths: Sequence[Tenth]) -> float:
    return sum(one.orders for one in tenths) / sum(one.orders / one.rate for one in tenths)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
