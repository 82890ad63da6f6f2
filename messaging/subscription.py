"""Who is interested in which events, and what they do about one: the rules of the bus."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from kernel.envelope import CloudEvent
from messaging.bus import Recorded
from messaging.progress import DeliveryFailure


class NonRetryable(Exception):
    """Raised by a handler: trying again would give the same; the event is a dead letter at once."""


class Unavailable(Exception):
    """Raised by a handler: nobody answers there. Once another event is handled, this one is tried at once."""


class ReactionFailed(Exception):
    """Raised by a handler that has several reactions: which one failed; why is the cause."""

    def __init__(self, reaction: str) -> None:
        super().__init__(reaction)
        self.reaction = reaction


@dataclass(frozen=True)
class Rule:
    """Which events: of these types (patterns; none means all), and with this content.

    `content` maps a path, such as `style` or `data.total.currency`, to the values of which it must have one.
    """

    types: tuple[str, ...] = ("*",)
    content: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def fits(self, event: CloudEvent) -> bool:
        if not self.may_fit(event.type):
            return False
        return all(_at(event, path) in values for path, values in self.content.items())

    def covers(self, other: "Rule") -> bool:
        """Whether all that fits the other is certain to fit this one."""
        for wanted in other.types:
            is_pattern = any(char in wanted for char in "*?[")
            if not any(mine in ("*", wanted) or (not is_pattern and fnmatchcase(wanted, mine)) for mine in self.types):
                return False
        return all(
            path in other.content and all(value in values for value in other.content[path])
            for path, values in self.content.items()
        )

    def may_fit(self, type: str) -> bool:
        """Whether a message that cannot be read, and is filed under this type, may be one of them."""
        return _is_one_of(type, self.types)


@dataclass(frozen=True)
class RetryPolicy:
    """How long an event that fails is tried again, in seconds: the pause doubles from `first` up to `longest`."""

    first: float = 0.2
    longest: float = 10
    give_up_after: float = 300

    def pause(self, attempts: int) -> float:
        return float(min(self.longest, self.first * 2 ** min(attempts - 1, 30)))


Handler = Callable[[Recorded], None]
MayOvertake = Callable[[CloudEvent, CloudEvent], bool]
OnDeadLetter = Callable[[DeliveryFailure, Sequence[Recorded]], CloudEvent | None]


def _stays(_failing: CloudEvent, _waiting: CloudEvent) -> bool:
    return False


def _is_never_over(_of_order: Sequence[Recorded]) -> bool:
    return False


def _needs_no_word(_event: CloudEvent) -> None:
    """Handling it after all does no harm."""


def _publishes_nothing(_failure: DeliveryFailure, _of_order: Sequence[Recorded]) -> None:
    return None


def _keeps_no_record(_events: Sequence[CloudEvent]) -> set[str]:
    return set()


@dataclass(frozen=True)
class Subscription:
    """A consumer: its name, what it subscribes to, and how it handles it.

    Args:
        handle: runs in a thread, and must be harmless twice. An exception means: try again.
        handle_all: the same for several at once, with all effects in one transaction: all or none. If it fails, each is
            handled alone. A consumer that has it gathers events for a moment.
        retry_policy: by event, since some wait for more than others.
        may_overtake: whether a failing event lets another of its order, which waits, go before it.
        from_latest: a new consumer, or a new type in its rule, begins with what comes next; without it, with the first
            event of the archive.
        is_over: whether nothing is to be done any more for an order with these events; what a rule that has grown finds
            of it in the archive is settled, not handled.
        at_once: how many events of different orders are handled at the same time, in one process.
        on_dead_letter: what to publish when an event becomes a dead letter, if anything; it gets the order's events.
        settle: a person has dealt with this event, or given it up: no replay, and no loss of positions, may handle it.
        handled: which of these events, by their ids, the consumer has on record as handled.
        forget_one: for what can be done once more, such as a delivery: drop the record that this event was handled.
        endpoint: the outside system that it delivers to, by its name; empty for what is our own.
        forget: for a view that can be rebuilt from the archive: drop what it has of the events after this position.
    """

    name: str
    rule: Rule
    handle: Handler
    handle_all: Callable[[Sequence[Recorded]], None] | None = field(default=None, kw_only=True)
    retry_policy: Callable[[CloudEvent], RetryPolicy] = lambda _event: RetryPolicy()
    may_overtake: MayOvertake = _stays
    on_dead_letter: OnDeadLetter = _publishes_nothing
    settle: Callable[[CloudEvent], object] = _needs_no_word
    handled: Callable[[Sequence[CloudEvent]], set[str]] = _keeps_no_record
    forget_one: Callable[[CloudEvent], None] | None = None
    endpoint: str = ""
    is_over: Callable[[Sequence[Recorded]], bool] = _is_never_over
    from_latest: bool = False
    at_once: int = 8
    forget: Callable[[int], None] | None = None


@lru_cache(4_096)
def _is_one_of(type: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(type, pattern) for pattern in patterns)


def _at(event: CloudEvent, path: str) -> object:
    attribute, *keys = path.split(".")
    value: object = getattr(event, attribute, None)
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
