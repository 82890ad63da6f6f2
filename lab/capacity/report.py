"""The report of `capacity`, as Markdown: for the terminal, and for docs/capacity.md between its markers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.capacity.measure import Measured
from lab.capacity.model import BUSY, RATES, TOP_EVENTS, Needs, UnitCosts, needs
from lab.capacity.resources import Prediction, relay_of, resources, subscriber
from lab.capacity.setup import ROLES, Storage
from lab.compare.records import SUBSCRIBERS
from services import SERVICES

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Conditions:
    """`load` is the machine's load before the start: the number of cores that other work used."""

    when: str
    command: str
    cores: int
    load: float
    python: str
    temporal: str


@dataclass(frozen=True)
class Report:
    conditions: Conditions
    runs: Mapping[Storage, Measured]
    predictions: Sequence[Prediction]

    def text(self) -> str:
        parts = [self._head(), self._rates(), self._cpu(), self._counts()]
        parts += [self._ceilings(storage, run) for storage, run in self.runs.items()]
        return "\n\n".join((*parts, self._predictions(), self._model())) + "\n"

    def _head(self) -> str:
        on = self.conditions
        shared = "other work used it meanwhile, so rates are low and times held are long" if on.load > 1 else "quiet"
        return (
            f"Measured {on.when} by `{on.command}`: {on.cores} cores, load {on.load:.1f} before the start "
            f"({shared}), Python {on.python}, {on.temporal}. Each role is a process: {', '.join(ROLES)}."
        )

    def _rates(self) -> str:
        rows = [
            (f"{storage}", run.orders, run.at_once, _number(run.rate), _number(run.orders / run.consumed), _ms(run.p50))
            for storage, run in self.runs.items()
        ]
        return _table(("run", "orders", "at once", "orders a second", "with all subscribers", "p50, ms"), rows)

    def _cpu(self) -> str:
        names = list(dict.fromkeys(name for run in self.runs.values() for name in run.cpu))
        rows = [
            (name, *(_ms(run.cpu[name] / run.orders) if name in run.cpu else "–" for run in self._all))
            for name in names
        ]
        rows.append(("all", *(_ms(sum(run.cpu.values()) / run.orders) for run in self._all)))
        return _table(("CPU, ms an order", *self.runs), rows)

    def _counts(self) -> str:
        rows: list[Sequence[object]] = []
        for service in (one.name for one in SERVICES):
            counts = [run.totals[service][service].times / run.orders for run in self._all]
            relayed = [run.totals["relay"][service].times / run.orders for run in self._all]
            events = [run.events[service] / run.orders for run in self._all]
            sizes = [run.sizes[service] / run.orders for run in self._all]
            rows.append((service, *(f"{_number(a)} + {_number(b)}" for a, b in zip(counts, relayed, strict=True))))
            rows[-1] = (*rows[-1], _number(events[0]), f"{sizes[0]:,.0f}")
        head = (
            "an order",
            *(f"transactions + relay's, {storage}" for storage in self.runs),
            "events",
            "bytes of events",
        )
        run = self._all[0]
        cost = run.workflow
        return (
            f"{_table(head, rows)}\n\n"
            f"All together {_number(sum(run.events.values()) / run.orders)} events and "
            f"{sum(run.sizes.values()) / run.orders:,.0f} bytes an order, which each of {len(SUBSCRIBERS)} subscribers "
            f"reads; in Temporal {cost.history_events} history events, {cost.state_transitions} transitions and "
            f"{cost.history_bytes:,} bytes."
        )

    def _ceilings(self, storage: Storage, run: Measured) -> str:
        rows = [(one.name, _ms(one.held), one.places, _number(one.ceiling)) for one in resources(storage, run)]
        head = (f"{storage}: resource", "held, ms an order", "places", "ceiling, orders a second")
        return _table(head, rows)

    def _predictions(self) -> str:
        rows = [
            (one.resource, _ms(one.added), _number(one.predicted), _number(one.measured), f"{one.error:+.0%}")
            for one in self.predictions
        ]
        head = ("slowed resource", "added, ms an order", "predicted, orders a second", "measured", "error")
        return _table(head, rows)

    def _model(self) -> str:
        run = self.runs[Storage.NETWORK]
        costs = unit_costs(run)
        top = needs(TOP_EVENTS / costs.events, costs)
        planned: list[Needs] = [*(needs(rate, costs) for rate in RATES), top]
        rows: list[Sequence[object]] = [
            ("events a second on the bus", *(f"{one.events:,.0f}" for one in planned)),
            ("megabytes a second on the bus", *(_number(one.megabytes) for one in planned)),
            *((f"processes of {role}", *(one.processes[role] for one in planned)) for role in top.processes),
            *((f"cores of {name}", *(f"{one.servers[name]:,.1f}" for one in planned)) for name in top.servers),
            ("cores, all together", *(f"{one.cores:,.0f}" for one in planned)),
            ("history shards, at most", *(f"{one.shards:,}" for one in planned)),
            ("partitions", *(one.partitions for one in planned)),
            ("databases of the busiest service", *(one.databases for one in planned)),
        ]
        head = (f"arithmetic, at {BUSY:.0%} busy", *(f"{one.rate:,.0f} orders a second" for one in planned))
        found = resources(Storage.NETWORK, run)
        first, shared = found[0], next(one for one in found if not one.is_process)
        return (
            f"{_table(head, rows)}\n\n"
            f"With one process a role and one database a service, the first limit is **{first.name}**, at "
            f"{_number(first.ceiling)} orders a second; with any number of processes, it is **{shared.name}**, at "
            f"{_number(shared.ceiling)}. The last column is the {TOP_EVENTS:,} events a second "
            f"of the second text, counted on the bus; counted in Temporal's histories, they are "
            f"{TOP_EVENTS / costs.history:,.0f} orders a second."
        )

    @property
    def _all(self) -> list[Measured]:
        return list(self.runs.values())


def unit_costs(run: Measured) -> UnitCosts:
    """From a run over PostgreSQL and NATS."""
    each = {name: seconds / run.orders for name, seconds in run.cpu.items()}
    return UnitCosts(
        cpu={role: each[role] for role in ROLES},
        servers={name: seconds for name, seconds in each.items() if name not in ROLES and name != "client"},
        relays={one.name: relay_of(one.name, run).held for one in SERVICES},
        subscribers={name: subscriber(name, run).held for name in SUBSCRIBERS},
        events=sum(run.events.values()) / run.orders,
        size=sum(run.sizes.values()) / run.orders,
        history=run.workflow.history_events or 1,
        shard_rate=run.rate,
    )


def put_into(page: str, text: str) -> str:
    """The page with this text between its markers. Raises ValueError if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"it has no {BEGIN} with an {END} after it")
    return f"{before}{BEGIN}\n{text}{END}{after}"


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f}"


def _number(value: float) -> str:
    return f"{value:,.1f}"
