"""Stands in for a service in a process that runs the saga alone."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from kernel.service import Service


def not_hosted(service: Service[Any]) -> Sequence[Callable[..., object]]:
    """Activities that answer the saga's attempts in place, so that they go on to the workers of the service."""
    return [_stand_in(service.name, operation.verb) for operation in service.operations]


def _stand_in(service: str, verb: str) -> Callable[..., object]:
    @activity.defn(name=f"{service}.{verb}")
    async def pass_on(_command: dict[str, object]) -> NoReturn:
        raise ApplicationError(
            f"the {service} service has workers of its own",
            type="NotHosted",
            category=ApplicationErrorCategory.BENIGN,
        )

    return pass_on
