"""Stand-ins for the services' activities, in a process that runs only the saga."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from kernel.service import Service


def not_hosted(service: Service[Any]) -> Sequence[Callable[..., object]]:
    """Activities that fail each local attempt at once, so that the saga goes on to the service's own task queue."""
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
