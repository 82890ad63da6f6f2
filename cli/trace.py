"""`starter.py trace`: an order as a tree of its events; under each, those that it caused."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.tree import Tree

from choreography.causes import causes
from cli.console import AsJson, OrderArgument, out, print_json, shown
from client.errors import NoSuchOrder
from kernel.envelope import CloudEvent
from messaging.bus import Entry, Recorded, Unreadable, readable
from settings import load
from wiring.bus import EventBus, with_bus
from wiring.program import GOOD, warn

_DETAILS = ("note", "reason", "problem", "tracking_number", "charge_id", "decision", "step")


def trace(order: OrderArgument, as_json: AsJson = False) -> int:
    """Show an order's events as a tree: causes above effects."""

    async def run(events: EventBus) -> Sequence[Entry]:
        return await events.bus.entries_of(order)

    entries = with_bus(load(), run, for_reading=True)
    events = readable(entries)
    for one in entries:
        if isinstance(one, Unreadable):
            warn(f"message {one.position} cannot be read: {one.why}; 'starter.py events show {one.position}'")
    if not events:
        raise NoSuchOrder(f"the bus has no events of order {order}; 'starter.py list' shows the orders there are")
    if as_json:
        print_json(documents(events))
    else:
        out.print(tree_of(order, events), soft_wrap=False)  # what does not fit is folded under its branch
        out.print("+ seconds since the first event; # position in the log, as in 'starter.py events show POSITION'")
    return GOOD


def tree_of(order_id: str, events: Sequence[Recorded]) -> Tree:
    """Roots have no causing event: a person's decision, or a workflow's first command."""
    caused = _caused(events)
    began = min(recorded.event.time for recorded in events)
    tree = Tree(f"[bold]{shown(order_id)}[/] {shown(events[0].event.style)}, {len(events)} events")
    known = {recorded.event.id for recorded in events}
    for cause, effects in caused.items():
        if cause not in known:
            _grow(tree.add(f"[dim]{shown(cause)}[/]"), effects, caused, began)
    return tree


def documents(events: Sequence[Recorded]) -> list[dict[str, Any]]:
    """The same tree, nested: each event with its position in the log and what it `caused`."""
    caused, known = _caused(events), {recorded.event.id for recorded in events}

    def document(recorded: Recorded) -> dict[str, Any]:
        event = recorded.event.model_dump(mode="json")
        effects = caused.get(recorded.event.id, [])
        return {"position": recorded.position, "event": event, "caused": [document(effect) for effect in effects]}

    return [document(one) for cause, effects in caused.items() if cause not in known for one in effects]


def _caused(events: Sequence[Recorded]) -> dict[str, list[Recorded]]:
    caused: dict[str, list[Recorded]] = defaultdict(list)
    cause = causes(events)
    for recorded in events:
        caused[cause[recorded.event.id]].append(recorded)
    return dict(caused)


def _grow(branch: Tree, effects: Sequence[Recorded], caused: dict[str, list[Recorded]], began: datetime) -> None:
    for recorded in effects:
        event = recorded.event
        after = (event.time - began).total_seconds()
        where = f"{shown(event.source)} +{after:.3f} s #{recorded.position}"
        line = f"[cyan]{shown(event.type)}[/] [dim]{where}[/]{_explanation(event)}"
        _grow(branch.add(line), caused.get(event.id, ()), caused, began)


def _explanation(event: CloudEvent) -> str:
    detail = next((str(event.data[key]) for key in _DETAILS if event.data.get(key)), "")
    return f" {shown(detail)}" if detail else ""
