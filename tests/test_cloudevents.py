"""Every event is a CloudEvent to others: to the official SDK, and to the rules of the specification."""

import json
import re
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event, from_structured_event, to_binary_event
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given, settings
from jsonschema import Draft7Validator, FormatChecker

from kernel.contracts import Event
from kernel.envelope import CloudEvent, read_event
from schemas.catalogue import event_types
from subscribers.redaction import redacted
from tests.test_schemas import events, on_the_bus

# What CloudEvents 1.0.2 says of its JSON format, and of the names of extensions.
TEXT = {"type": "string", "minLength": 1}
RULES: dict[str, Any] = {
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "properties": {
        "id": TEXT,
        "source": TEXT | {"format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": TEXT,
        "datacontenttype": TEXT,
        "dataschema": TEXT | {"format": "uri"},
        "subject": TEXT,
        "time": TEXT | {"format": "date-time"},
        "data": {"type": ["object", "string", "number", "array", "boolean", "null"]},
    },
    "propertyNames": {"pattern": "^[a-z0-9]{1,20}$"},
    "additionalProperties": {"type": ["string", "boolean", "integer"]},
}
FORMATS = FormatChecker()
# RFC 3986, as far as what we publish needs it.
_CHARACTERS = r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]"
FORMATS.checks("uri")(lambda text: bool(re.fullmatch(rf"[A-Za-z][A-Za-z0-9+.-]*:{_CHARACTERS}+", text)))
FORMATS.checks("uri-reference")(lambda text: bool(re.fullmatch(rf"{_CHARACTERS}*", text)))
FORMATS.checks("date-time")(
    lambda text: bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text))
)
SPECIFICATION = Draft7Validator(RULES, format_checker=FORMATS)
HEADERS = {"content-type": "application/cloudevents+json"}


def check(event: CloudEvent) -> None:
    """As it is on the bus, and as a webhook sends it."""
    for form in (event, redacted(event)):
        body = form.model_dump_json()
        assert [error.message for error in SPECIFICATION.iter_errors(json.loads(body))] == []
        read = from_structured_event(HTTPMessage(headers=HEADERS, body=body.encode()))
        assert read.get_data() == form.data
        again = from_binary_event(to_binary_event(read))
        assert (again.get_id(), again.get_source(), again.get_dataschema()) == (form.id, form.source, form.dataschema)
        assert again.get_extension("correlationid") == form.correlationid
        assert read_event(JSONFormat().write(read)) == form


@settings(max_examples=100, deadline=None, database=None)
@given(events())
def test_every_event_is_one_to_the_sdk_and_to_the_specification(event: Event) -> None:
    check(on_the_bus(event))


def test_there_is_no_kind_of_event_whose_schema_is_not_a_uri() -> None:
    for kind in event_types():
        schema = {"dataschema": RULES["properties"]["dataschema"]}
        published = on_the_bus(kind.model_construct()).dataschema
        errors = Draft7Validator({"properties": schema}, format_checker=FORMATS).iter_errors({"dataschema": published})
        assert [error.message for error in errors] == []


@pytest.mark.parametrize("kind", ["OrderCreated", "Shipped"])
def test_an_event_of_the_first_release_is_read_as_it_would_be_published_now(kind: str) -> None:
    """So that the copies of one event, in outbox, bus and inbox, are alike whenever they were written."""
    found = next(one for one in event_types() if one.type() == kind)
    now = json.loads(on_the_bus(found.model_construct()).model_dump_json())
    old = now | {"dataschema": f"/docs/events/{kind}.schema.json"}
    assert read_event(json.dumps(old)) == read_event(json.dumps(now))
