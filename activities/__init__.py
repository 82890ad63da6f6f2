"""The services as Temporal activities: Temporal in, service out, nothing in between. One module a service."""

from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import isfunction
from types import FunctionType, MethodType
from typing import Any, Concatenate, Generic, TypeVar

from kernel.service import Service

P = TypeVar("P")
A = TypeVar("A")


class ServiceActivities(Generic[P]):
    """One service's activities: every public method is one, named `service.verb`. `python -m activities` checks it.

    No cancellation is thrown into the thread of one that has run out of time: it might hit a connection in its pool.
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
    """Its activities, by verb."""
    return {name: function for name, function in vars(kind).items() if isfunction(function) and name[0] != "_"}


def activity_name(activity: Callable[Concatenate[A, ...], object]) -> str:
    """`service.verb`: a service has one name in every layer."""
    return f"{activity.__module__.rpartition('.')[2]}.{activity.__name__}"
