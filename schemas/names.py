"""The names of the documents and of our schema keywords."""

from kernel.contracts import Event

FOLDER = "docs/events"
_SCHEMA_FILE = "{type}.schema.json"
ENVELOPE = _SCHEMA_FILE.format(type="envelope")
ASYNCAPI = "asyncapi.json"

# Marks a field that never leaves our own services.
PRIVATE = "x-private"


def schema_file(kind: type[Event]) -> str:
    return _SCHEMA_FILE.format(type=kind.type())
