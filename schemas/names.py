"""What the documents and their marks are called."""

from kernel.contracts import Event

FOLDER = "docs/events"
_SCHEMA_FILE = "{type}.schema.json"
ENVELOPE = _SCHEMA_FILE.format(type="envelope")
ASYNCAPI = "asyncapi.json"

# On a field that never leaves our own services.
PRIVATE = "x-private"


def schema_file(kind: type[Event]) -> str:
    return _SCHEMA_FILE.format(type=kind.type())
