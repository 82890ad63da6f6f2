"""What the type checker cannot see: that each service's folder is declared, with an activity for every operation."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from temporalio.activity import _Definition as Definition

import activities
import services as folders
from activities import ServiceActivities, activities_class, functions_of
from kernel.service import Service

_FOLDER = Path(folders.__path__[0])


def problems(services: Sequence[Service[Any]], folder: Path = _FOLDER) -> list[str]:
    """In words; none if a worker can host each service, and nothing else. `folder` has a folder for each."""
    found = [problem for service in services for problem in _of_service(service)]
    return [*found, *_of_nobody(services), *_of_folders(services, folder)]


def _of_service(service: Service[Any]) -> Iterator[str]:
    try:
        kind = activities_class(service)
    except LookupError as error:
        yield f"{service.name}: {error.args[0]}"
        return
    yield from problems_of(kind)


def problems_of(kind: type[ServiceActivities[Any]]) -> Iterator[str]:
    """Of one service's activities."""
    service: Service[Any] = vars(kind)["declaration"]
    functions, declared = functions_of(kind), {operation.verb for operation in service.operations}
    for verb in sorted(declared - functions.keys()):
        yield f"{service.name}: {verb} is declared, and is no activity of {kind.__name__}"
    for verb, function in functions.items():
        name, definition = f"{service.name}.{verb}", Definition.from_callable(function)
        if verb not in declared:
            yield f"{service.name}: {kind.__name__}.{verb} is no operation that the service declares"
        if definition is None:
            yield f"{service.name}: {kind.__name__}.{verb} lacks @activity.defn(name={name!r})"
        elif definition.name != name:
            yield f"{service.name}: {kind.__name__}.{verb} is the activity {definition.name}; it must be {name}"
        elif not definition.no_thread_cancel_exception and verb in declared:
            yield f"{service.name}: {kind.__name__}.{verb} needs no_thread_cancel_exception=True"


def _of_nobody(services: Sequence[Service[Any]]) -> Iterator[str]:
    for module in iter_modules(activities.__path__, f"{activities.__name__}."):
        for kind in vars(import_module(module.name)).values():
            if isinstance(kind, type) and issubclass(kind, ServiceActivities) and kind is not ServiceActivities:
                service: Service[Any] | None = vars(kind).get("declaration")
                if service not in services:
                    yield f"{module.name}: {kind.__name__} is of no declared service"


def _of_folders(services: Sequence[Service[Any]], folder: Path) -> Iterator[str]:
    declared, there = {service.name for service in services}, {path.parent.name for path in folder.glob("*/*.py")}
    for name in sorted(there - declared):
        yield f"{name}: the folder services/{name} is there, and SERVICES has no service of that name"
    for name in sorted(declared - there):
        yield f"{name}: it is among SERVICES, and the folder services/{name} is not there"
