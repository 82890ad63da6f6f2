"""What happened to an order, in sentences that are derived from its events and its history."""

from collections.abc import Iterable, Sequence

from client.contracts import FailedAttempts, OrderHistory, PlacedOrder, ResolveBy, Resolved, Stage
from kernel.contracts import Style
from kernel.envelope import CloudEvent
from services.orders.contracts import OrderStatus
from web.outcomes import DONE, REFUSED, UNDONE, outcome_of, step_of


def account(placed: PlacedOrder, history: OrderHistory, events: Sequence[CloudEvent]) -> list[str]:
    """The sentences, in the order in which one would read them."""
    in_time = sorted(events, key=lambda event: event.time)
    is_orchestrated = placed.style is Style.ORCHESTRATION
    sentences = [_forward(in_time) if is_orchestrated else _reactions(in_time)]
    sentences += [_refusal(event) for event in in_time if outcome_of(event) == REFUSED]
    failures = [(one.since, _failure(one, is_orchestrated=is_orchestrated)) for one in history.failed]
    resolutions = [(one.at, _resolution(one)) for one in history.resolved]
    sentences += [sentence for _, sentence in sorted(failures + resolutions, key=lambda one: one[0])]
    sentences += _undos(in_time, is_orchestrated=is_orchestrated)
    return [*filter(None, [*sentences, _where_it_is(placed)])]


def _forward(events: Sequence[CloudEvent]) -> str:
    steps = [step_of(event) for event in events if outcome_of(event) in (DONE, REFUSED) and step_of(event)]
    names = list(dict.fromkeys(steps))
    return f"The workflow called {_and(names)}." if names else "The workflow has called no service yet."


def _reactions(events: Sequence[CloudEvent]) -> str:
    known = {event.id: event for event in events}
    led: dict[str, list[str]] = {}
    for event in events:
        cause = known.get(event.causationid)
        if cause and outcome_of(event) in (DONE, REFUSED):
            led.setdefault(cause.type, []).append(event.type)
    said = "; ".join(f"{cause} led to {_and(effects)}" for cause, effects in led.items())
    return f"Each service reacted to events: {said}." if said else "No service has reacted yet."


def _refusal(event: CloudEvent) -> str:
    service, _, verb = step_of(event).partition(".")
    return f"{service.capitalize()} refused to {verb}: {event.data.get('reason') or event.type}."


def _failure(one: FailedAttempts, *, is_orchestrated: bool) -> str:
    service = one.step.partition(".")[0]
    times = "once" if one.count == 1 else f"{one.count} times"
    failed = f"{one.step} failed {times} ({one.error})"
    if one.gave_up:
        return f"{failed}, and was given up."
    who = "Temporal, for the workflow," if is_orchestrated else f"The consumer of {service}"
    if one.until is None:
        return f"{failed}. {who} retries it with the same idempotency key."
    seconds = (one.until - one.since).total_seconds()
    return f"{failed}. {who} retried it with the same idempotency key, so it had one effect; this took {seconds:.2f} s."


def _undos(events: Sequence[CloudEvent], *, is_orchestrated: bool) -> list[str]:
    undone = [event for event in events if outcome_of(event) == UNDONE and event.data.get("had_effect", True)]
    if not undone:
        return []
    if is_orchestrated:
        return [f"The workflow undid, one after another: {_and(map(_verb, undone), last=', then ')}."]
    known = {event.id: event.type for event in events}
    groups: dict[str, list[CloudEvent]] = {}
    for event in undone:
        groups.setdefault(event.causationid, []).append(event)
    return [_reaction(known.get(cause, "an operator's decision"), group) for cause, group in groups.items()]


def _reaction(cause: str, undone: Sequence[CloudEvent]) -> str:
    if len(undone) == 1:
        return f"Because of {cause}, {undone[0].source.strip('/')} undid its own step ({_verb(undone[0])})."
    services = _and(f"{event.source.strip('/')} ({_verb(event)})" for event in undone)
    return f"Because of {cause}, {services} undid their own steps, independently of each other."


def _resolution(one: Resolved) -> str:
    given = one.resolution
    who, what = given.actor or "An operator", given.step or "all that was stuck"
    match given.decision:
        case ResolveBy.RETRY:
            return f"{who} had {what} tried again."
        case ResolveBy.RESOLVED:
            return f"{who} recorded that {what} was settled by hand: {given.note}."
        case _:
            return f"{who} recorded that the parcel was {given.decision}: {given.note}."


def _where_it_is(placed: PlacedOrder) -> str:
    match placed.state.stage:
        case Stage.ENDED:
            return f"The order is {placed.state.status}."
        case Stage.ATTENTION:
            return "Now the order waits for an operator, who tries again or settles it by hand."
        case Stage.REVIEW:
            return "Now a person must decide whether this is fraud."
        case _ if placed.state.status is OrderStatus.IN_PROGRESS:
            return ""
        case _:
            return f"The order is {placed.state.status}."


def _verb(event: CloudEvent) -> str:
    return step_of(event).partition(".")[2]


def _and(names: Iterable[str], last: str = " and ") -> str:
    found = list(names)
    return f"{', '.join(found[:-1])}{last}{found[-1]}" if len(found) > 1 else "".join(found)
