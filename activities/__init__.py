"""The services as Temporal activities, one module for each service. An activity only calls its service."""

from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import isfunction
from types import FunctionType, MethodType
from typing import Any, Concatenate, Generic, TypeVar

from kernel.service import Service

P = TypeVar("P")
A = TypeVar("A")


class ServiceActivities(Generic[P]):
    """One service's activities: each public method is one, named `service.verb`. `python -m activities` checks this.

    An activity that has timed out gets no cancellation exception in its thread: it could damage a pooled connection.
    """

    declaration: Service[P]

    def __init__(self, service: P) -> None:
        self._service = service

    def all(self) -> Sequence[Callable[..., object]]:
        return [MethodType(function, self) for function in functions_of(type(self)).values()]


def activities_of(service: Service[P], opened: P) -> ServiceActivities[P]:
    """Raises LookupError if the module of the service's name has none of it."""
    return activities_class(service)(opened)


def activities_class(service: Service[P]) -> type[ServiceActivities[P]]:
    """Raises LookupError if the module of the service's name has none of it."""
    module = f"activities.{service.name}"
    try:
        found = vars(import_module(module)).values()
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise LookupError(f"{module} is missing") from None
    kinds: list[type[ServiceActivities[P]]] = [
        kind for kind in found if isinstance(kind, type) and vars(kind).get("declaration") is service
    ]
    if not kinds:
        raise LookupError(f"{module} has no class of activities with this service as its declaration")
    return kinds[0]


def functions_of(kind: type[ServiceActivities[Any]]) -> dict[str, FunctionType]:
    """The class' activities, by verb."""
    return {name: function for name, function in vars(kind).items() if isfunction(function) and name[0] != "_"}


def activity_name(activity: Callable[Concatenate[A, ...], object]) -> str:
    """The activity's name on Temporal: `service.verb`."""
    return f"{activity.__module__.rpartition('.')[2]}.{activity.__name__}"
