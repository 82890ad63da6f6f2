"""Options that select orders, shared by all commands."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from cli.console import BadInput
from client.attention import STEPS
from client.contracts import Stage
from kernel.contracts import Style
from services.orders.contracts import OrderStatus

_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Such as 90s, 15min, 2h or 3d. Raises BadInput."""
    match = re.fullmatch(r"([0-9]{1,6})(s|m|min|h|d)", text.strip())
    if match is None:
        raise BadInput(f"'{text[:40]}' is no duration; write 90s, 15min, 2h or 3d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def known_step(text: str) -> str:
    """Returns the step unchanged. Raises BadInput if no service has it."""
    if text and text not in STEPS:
        raise BadInput(f"--step {text[:80]}: there is no such step; there are: {', '.join(STEPS)}")
    return text


OfStatus = Annotated[OrderStatus | None, typer.Option("--status", help="Only orders of this status.")]
OfStage = Annotated[Stage | None, typer.Option("--stage", help="Only orders in this stage.")]
OfStyle = Annotated[
    Style | None, typer.Option("--style", help="Only orders of this style; choreography needs no Temporal server.")
]
OfReason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Only orders whose reason, problem or last error contains this.")
]
OfStep = Annotated[
    str,
    typer.Option(
        "--step",
        help="Only orders in which this step is stuck or retried, such as payments.refund.",
        callback=known_step,
    ),
]
OfCustomer = Annotated[str, typer.Option("--customer", help="Only orders of this customer.")]
OlderThan = Annotated[
    timedelta | None,
    typer.Option("--older-than", metavar="AGE", parser=duration, help="Only orders older than this: 90s, 2h, 3d."),
]
NewerThan = Annotated[
    timedelta | None,
    typer.Option("--newer-than", metavar="AGE", parser=duration, help="Only orders newer than this."),
]
