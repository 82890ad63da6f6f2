"""The services as Temporal activities: Temporal in, service out, nothing in between. One module a service."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Generic, TypeVar

from kernel.service import Service

P = TypeVar("P")


class ServiceActivities(Generic[P]):
    """One service's activities: every public method is one, named `service.verb`."""

    def __init__(self, service: P) -> None:
        self._service = service

    def all(self) -> Sequence[Callable[..., object]]:
        return [getattr(self, name) for name in vars(type(self)) if not name.startswith("_")]


def activities_of(service: Service[P], opened: P) -> ServiceActivities[P]:
    """The class in the module that has the service's name."""
    module = import_module(f"activities.{service.name}")
    kinds = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, ServiceActivities) and kind is not ServiceActivities
    ]
    kind: type[ServiceActivities[P]] = kinds[0]
    return kind(opened)
