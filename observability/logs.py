"""Structured logs: every log line of the process, as JSON for machines or in columns for people.

Lines that are logged for an order carry its order, step and attempt. Code logs through the standard library;
`structlog` renders the lines.
"""

import json
import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor

from kernel.visible import visible, visible_json
from observability.calls import Call

ABOUT = ("order", "reaction", "attempt", "consumer")


def formatter(*, as_json: bool) -> logging.Formatter:
    """The formatter for every log handler of the process."""
    render: list[Processor] = (
        [structlog.processors.format_exc_info, _as_json]
        if as_json
        else [
            structlog.processors.format_exc_info,
            _visible,
            ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback),
        ]
    )
    shared: list[Processor] = [
        merge_contextvars,
        ExtraAdder(allow=ABOUT),
        add_log_level,
        add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    return ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[ProcessorFormatter.remove_processors_meta, *render],
        use_get_message=True,
    )


@contextmanager
def around(call: Call) -> Iterator[None]:
    """Adds the call's order, step, attempt and style to every line that is logged in the block."""
    with bound_contextvars(order=call.order, step=call.step, attempt=call.attempt, style=call.style):
        yield


def _as_json(_logger: object, _method: str, event: EventDict) -> str:
    return visible_json(json.dumps(event, default=str, ensure_ascii=False))


def _visible(_logger: object, _method: str, event: MutableMapping[str, Any]) -> EventDict:
    """A record is one line, and so is each line of its traceback; control characters are made visible."""
    return {name: _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    return "\n".join(map(visible, value.split("\n"))) if name == "exception" else visible(value)
