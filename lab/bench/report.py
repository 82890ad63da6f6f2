"""The report of `make bench`: ratios of neighbouring rounds, so that the machine's speed cancels out."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Column, Table

from lab.bench.flows import BARE, DBOS, IN_PLACE
from lab.bench.measure import Cost, Round, median, percentile

_NOTES = (
    "Medians of the rounds; in brackets the least and the most. p50 and p99 of all orders. CPU in ms an order: of this",
    "process (client, workers, services and their databases), of workers in processes of their own, and of the server.",
    "DBOS runs the same services as steps of its own workflow: the good case only, with nothing to undo it.",
)


@dataclass(frozen=True)
class Ratio:
    least: float
    middle: float
    most: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.least:.2f} – {self.most:.2f})"


@dataclass(frozen=True)
class Figures:
    """One contender's, at one number of orders at once. Latencies and CPU in milliseconds."""

    rate: float
    p50: float
    p99: float
    own_cpu: float
    workers_cpu: float
    server_cpu: float | None
    rate_to_bare: Ratio
    rate_to_dbos: Ratio | None
    p50_to_dbos: Ratio | None


@dataclass(frozen=True)
class Compared:
    """`at_once` by the number of orders at once, and by contender."""

    rounds: int
    at_once: Mapping[int, Mapping[str, Figures]]
    costs: Mapping[str, Cost]
    periphery_cpu: Mapping[int, float]

    def tables(self) -> list[Table]:
        tables = [table for at_once, figures in self.at_once.items() for table in _figures(at_once, figures)]
        return [*tables, self._costs()]

    def page(self) -> str:
        """The report as Markdown, for docs/performance-figures.md."""
        lines = ["# What an order costs: the figures", "", *(f"{line}" for line in _NOTES), ""]
        lines += [f'Written by `make bench ARGS="--page docs/performance-figures.md"`, {self.rounds} rounds.', ""]
        for at_once, figures in self.at_once.items():
            names = (f"{at_once} at once", "a second", "to bare", "to DBOS", "p50, ms", "p50 to DBOS", "p99, ms")
            lines += _markdown_head(*names, "own CPU", "workers' CPU", "server CPU")
            for name, one in figures.items():
                ratios = (str(one.rate_to_bare), str(one.rate_to_dbos or "–"))
                cpu = map(_number, (one.own_cpu, one.workers_cpu, one.server_cpu))
                latency = (_number(one.p50), str(one.p50_to_dbos or "–"), _number(one.p99))
                lines.append(_markdown_row(name, _number(one.rate), *ratios, *latency, *cpu))
            lines += ["", f"CPU of the periphery for an order in place: {self.periphery_cpu[at_once]:.1f} ms.", ""]
        lines += _markdown_head("one order", "events", "transitions", "history bytes", "transactions", "rows")
        for name, cost in self.costs.items():
            known = (cost.history_events, cost.state_transitions, cost.history_bytes, cost.transactions, cost.rows)
            lines.append(_markdown_row(name, *("–" if value is None else str(value) for value in known)))
        return "\n".join(lines) + "\n"

    def _costs(self) -> Table:
        table = _table("one order, free of noise", "events", "transitions", "history bytes", "transactions", "rows")
        for name, cost in self.costs.items():
            known = (cost.history_events, cost.state_transitions, cost.history_bytes, cost.transactions, cost.rows)
            table.add_row(name, *("–" if value is None else str(value) for value in known))
        periphery = ", ".join(f"{cpu:.1f} ms at {at_once} at once" for at_once, cpu in self.periphery_cpu.items())
        table.caption = "\n".join((*_NOTES, f"CPU of the periphery for an order in place: {periphery}."))
        return table


@dataclass(frozen=True)
class Tenth:
    """A tenth of a long run. Memory in MB, CPU in milliseconds an order."""

    orders: int
    rate: float
    memory: float
    own_cpu: float
    server_cpu: float | None


@dataclass(frozen=True)
class Soak:
    """A long run. `memory_growth` is from the end of the first tenth to the end of the last, in MB."""

    tenths: list[Tenth]
    second_half_to_first: float
    memory_growth: float

    def tables(self) -> list[Table]:
        table = _table("orders", "a second", "own CPU, ms", "server CPU, ms", "memory, MB")
        placed = 0
        for one in self.tenths:
            placed += one.orders
            table.add_row(str(placed), *map(_number, (one.rate, one.own_cpu, one.server_cpu, one.memory)))
        growth = f"{self.memory_growth:+.1f} MB since the first tenth"
        table.caption = f"The second half's rate is {self.second_half_to_first:.2f} of the first's. Memory: {growth}."
        return [table]


def compare(rounds: Mapping[int, Mapping[str, Sequence[Round]]], costs: Mapping[str, Cost]) -> Compared:
    at_once = {
        many: {name: _of(of_name, of_many[BARE], of_many.get(DBOS)) for name, of_name in of_many.items()}
        for many, of_many in rounds.items()
    }
    with_periphery = f"{IN_PLACE}, with the periphery"
    periphery = {many: figures[with_periphery].own_cpu - figures[IN_PLACE].own_cpu for many, figures in at_once.items()}
    count = min(len(of_name) for of_many in rounds.values() for of_name in of_many.values())
    return Compared(count, at_once, costs, periphery)


def tenth(one: Round, memory: float) -> Tenth:
    server = None if one.server_cpu is None else _each(one, one.server_cpu)
    return Tenth(one.orders, one.rate, memory, _each(one, one.own_cpu), server)


def soaked(tenths: list[Tenth]) -> Soak:
    half = len(tenths) // 2
    return Soak(
        tenths=tenths,
        second_half_to_first=_rate_of(tenths[half:]) / _rate_of(tenths[:half]),
        memory_growth=tenths[-1].memory - tenths[0].memory,
    )


def _of(rounds: Sequence[Round], bare: Sequence[Round], dbos: Sequence[Round] | None) -> Figures:
    rate = median([one.rate for one in rounds])
    assert rate is not None
    return Figures(
        rate=rate,
        p50=percentile(rounds, 50) * 1000,
        p99=percentile(rounds, 99) * 1000,
        own_cpu=median([_each(one, one.own_cpu) for one in rounds]) or 0,
        workers_cpu=median([_each(one, one.workers_cpu) for one in rounds]) or 0,
        server_cpu=median([None if one.server_cpu is None else _each(one, one.server_cpu) for one in rounds]),
        rate_to_bare=_ratio([one.rate for one in rounds], [one.rate for one in bare]),
        rate_to_dbos=_ratio([one.rate for one in rounds], [one.rate for one in dbos]) if dbos else None,
        p50_to_dbos=_ratio(_p50s(rounds), _p50s(dbos)) if dbos else None,
    )


def _p50s(rounds: Sequence[Round]) -> list[float]:
    return [percentile([one], 50) for one in rounds]


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Ratio(min(ratios), statistics.median(ratios), max(ratios))


def _figures(at_once: int, figures: Mapping[str, Figures]) -> tuple[Table, Table]:
    rates = _table(f"{at_once} at once", "a second", "to bare", "to DBOS")
    others = _table("", "p50, ms", "p99", "CPU: own", "workers", "server")
    for name, one in figures.items():
        rates.add_row(name, _number(one.rate), str(one.rate_to_bare), str(one.rate_to_dbos or "–"))
        others.add_row(name, *map(_number, (one.p50, one.p99, one.own_cpu, one.workers_cpu, one.server_cpu)))
    return rates, others


def _table(first: str, *others: str) -> Table:
    columns = [Column(first, no_wrap=True), *(Column(name, justify="right", no_wrap=True) for name in others)]
    return Table(*columns, box=box.SIMPLE_HEAD, caption_justify="left")


def _markdown_head(*names: str) -> list[str]:
    return [_markdown_row(*names), _markdown_row(*("---" for _ in names))]


def _markdown_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _each(one: Round, seconds: float) -> float:
    """Milliseconds an order."""
    return seconds / one.orders * 1000


def _rate_of(tenths: Sequence[Tenth]) -> float:
    return sum(one.orders for one in tenths) / sum(one.orders / one.rate for one in tenths)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
