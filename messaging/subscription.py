"""Subscriptions: which events a consumer wants, how it handles them, and how it retries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from kernel.envelope import CloudEvent
from messaging.bus import Recorded
from messaging.failure import DeliveryFailure


class NonRetryable(Exception):
    """Raised by a handler: a retry would fail in the same way. The event becomes a dead letter at once."""


class Unavailable(Exception):
    """Raised by a handler: its endpoint is down. The event is retried as soon as another event is handled."""


class ReactionFailed(Exception):
    """Raised by a handler with several reactions: names the one that failed. The error is its cause."""

    def __init__(self, reaction: str) -> None:
        super().__init__(reaction)
        self.reaction = reaction


@dataclass(frozen=True)
class Rule:
    """Selects events by type (patterns; by default, all types) and by content.

    `content` maps a path, such as `style` or `data.total.currency`, to the allowed values.
    """

    types: tuple[str, ...] = ("*",)
    content: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def fits(self, event: CloudEvent) -> bool:
        if not self.may_fit(event.type):
            return False
        return all(_at(event, path) in values for path, values in self.content.items())

    def covers(self, other: "Rule") -> bool:
        """Whether every event that matches the other rule is certain to match this one."""
        for wanted in other.types:
            is_pattern = any(char in wanted for char in "*?[")
            if not any(mine in ("*", wanted) or (not is_pattern and fnmatchcase(wanted, mine)) for mine in self.types):
                return False
        return all(
            path in other.content and all(value in values for value in other.content[path])
            for path, values in self.content.items()
        )

    def may_fit(self, type: str) -> bool:
        """Whether an unreadable message that is filed under this type may be an event that this rule selects."""
        return _is_one_of(type, self.types)


@dataclass(frozen=True)
class RetryPolicy:
    """How long a failing event is retried, in seconds. The pause doubles from `first` up to `longest`."""

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


def _settles_nothing(_event: CloudEvent) -> None:
    """Handling the event later does no harm."""


def _publishes_nothing(_failure: DeliveryFailure, _of_order: Sequence[Recorded]) -> None:
    return None


def _keeps_no_record(_events: Sequence[CloudEvent]) -> set[str]:
    return set()


@dataclass(frozen=True)
class Subscription:
    """A consumer: its name, what it subscribes to, and how it handles it.

    Args:
        handle: runs in a thread; must be idempotent. An exception means a retry.
        handle_all: handles several events, with all effects in one transaction. If it fails, each event is handled
            alone. A consumer that has it gathers events for a moment.
        retry_policy: by event, since some are retried for longer than others.
        may_overtake: whether a waiting event may be handled before a failing one of the same order.
        from_latest: a new consumer, or a new type in its rule, starts with the next event; otherwise with the first
            event of the archive.
        is_over: whether nothing is left to do for an order with these events. When the rule grows, the archived events
            of such an order are settled, not handled.
        at_once: how many events, of different orders, one process handles concurrently.
        on_dead_letter: returns the event to publish when an event becomes a dead letter, or None; gets the order's
            events.
        settle: records that a person has settled or discarded this event: it must not be handled again, even after a
            replay or a loss of positions.
        handled: which of these events, by their ids, the consumer has on record as handled.
        forget_one: removes the record that this event was handled, if its effect may be repeated, as a delivery may.
        endpoint: the name of the outside system that it delivers to; empty for our own consumers.
        forget: for a view that can be rebuilt from the archive: removes its results of the events after this position.
    """

    name: str
    rule: Rule
    handle: Handler
    handle_all: Callable[[Sequence[Recorded]], None] | None = field(default=None, kw_only=True)
    retry_policy: Callable[[CloudEvent], RetryPolicy] = lambda _event: RetryPolicy()
    may_overtake: MayOvertake = _stays
    on_dead_letter: OnDeadLetter = _publishes_nothing
    settle: Callable[[CloudEvent], object] = _settles_nothing
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
