"""What the type checker cannot see: each service's folder is declared, and each operation has an activity."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from temporalio.activity import _Definition as Definition

import activities
import services as services_package
from activities import ServiceActivities, activities_class, functions_of
from kernel.service import Service

_FOLDER = Path(services_package.__path__[0])


def problems(services: Sequence[Service[Any]], folder: Path = _FOLDER) -> list[str]:
    """One sentence for each problem; empty if the activities match the declarations.

    Args:
        folder: has one subfolder for each service.
    """
    found = [problem for service in services for problem in _of_service(service)]
    return [*found, *_undeclared(services), *_of_folders(services, folder)]


def _of_service(service: Service[Any]) -> Iterator[str]:
    try:
        kind = activities_class(service)
    except LookupError as error:
        yield f"{service.name}: {error.args[0]}"
        return
    yield from problems_of(kind)


def problems_of(kind: type[ServiceActivities[Any]]) -> Iterator[str]:
    """The problems of one service's activities, one sentence each."""
    service: Service[Any] = vars(kind)["declaration"]
    functions, declared = functions_of(kind), {operation.verb for operation in service.operations}
    for verb in sorted(declared - functions.keys()):
        yield f"{service.name}: {verb} is declared, but {kind.__name__} has no such activity"
    for verb, function in functions.items():
        name, definition = f"{service.name}.{verb}", Definition.from_callable(function)
        if verb not in declared:
            yield f"{service.name}: {kind.__name__}.{verb} is not an operation that the service declares"
        if definition is None:
            yield f"{service.name}: {kind.__name__}.{verb} lacks @activity.defn(name={name!r})"
        elif definition.name != name:
            yield f"{service.name}: {kind.__name__}.{verb} is the activity {definition.name}; it must be {name}"
        elif not definition.no_thread_cancel_exception and verb in declared:
            yield f"{service.name}: {kind.__name__}.{verb} needs no_thread_cancel_exception=True"


def _undeclared(services: Sequence[Service[Any]]) -> Iterator[str]:
    for module in iter_modules(activities.__path__, f"{activities.__name__}."):
        for kind in vars(import_module(module.name)).values():
            if isinstance(kind, type) and issubclass(kind, ServiceActivities) and kind is not ServiceActivities:
                service: Service[Any] | None = vars(kind).get("declaration")
                if service not in services:
                    yield f"{module.name}: {kind.__name__} belongs to no declared service"


def _of_folders(services: Sequence[Service[Any]], folder: Path) -> Iterator[str]:
    declared, folders = {service.name for service in services}, {path.parent.name for path in folder.glob("*/*.py")}
    for name in sorted(folders - declared):
        yield f"{name}: the folder services/{name} exists, but SERVICES has no service of that name"
    for name in sorted(declared - folders):
        yield f"{name}: SERVICES has this service, but the folder services/{name} is missing"
