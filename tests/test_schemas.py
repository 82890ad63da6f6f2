"""What `docs/events/` says of events is so."""

import json
import pkgutil
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

import choreography.events
import client.events
import services
from choreography.events import OrderContent
from choreography.reaction import Reaction
from choreography.reactions import REACTIONS
from kernel import outbox
from kernel.contracts import Event, FailureEvent, UndoneEvent
from kernel.envelope import CloudEvent, new_event
from kernel.errors import Refusal
from kernel.money import Money
from schemas.catalogue import SOURCES, event_types
from schemas.export import documents
from schemas.names import ASYNCAPI, ENVELOPE, PRIVATE, schema_file
from services import SERVICES
from services.fraud.declaration import FRAUD
from services.inventory.declaration import INVENTORY
from services.orders.contracts import MAX_QUANTITY, Address, AdjustOrder, CompleteOrder, FlagOrder, OrderLine
from services.orders.declaration import ORDERS as ORDERS_SERVICE
from services.payments.declaration import PAYMENTS
from services.shipping.declaration import SHIPPING
from settings import Settings
from subscribers.redaction import redacted
from tests.services.samples import EMPTY_CARD, MUG, ORDER, OTHER_ORDER, charge, create, reserve, screen, ship, undo
from wiring.services import Services

Json = dict[str, Any]

DOCS = Path(__file__).parent.parent / "docs" / "events"
DOCUMENTS: dict[str, Json] = {name: json.loads(text) for name, text in documents().items()}
BUS = DOCUMENTS[ASYNCAPI]

# As a web server would have them.
_SERVED = "https://shop.example/docs/events"
_REGISTRY: Registry[Any] = Registry[Any]().with_resources(
    (f"{_SERVED}/{name}", DRAFT202012.create_resource(document)) for name, document in DOCUMENTS.items()
)


def errors(event: CloudEvent, message: str = "") -> list[str]:
    """What is wrong with the event as it is on the bus, by the message of its type (or another)."""
    payload = {"$ref": f"{_SERVED}/{ASYNCAPI}#/components/messages/{message or event.type}/payload"}
    found = Draft202012Validator(payload, registry=_REGISTRY).iter_errors(json.loads(event.model_dump_json()))
    return [f"{error.json_path}: {error.message}" for error in found]


def on_the_bus(event: Event, source: str = "/orders") -> CloudEvent:
    return new_event(
        event.type(),
        event.model_dump(mode="json"),
        event_id=f"{ORDER}:1",
        source=source,
        correlation=ORDER,
        causation=f"{ORDER}:create",
        style="orchestration",
    )


# The documents.


def test_the_committed_documents_are_what_the_code_says() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.json")}
    assert committed == documents(), "run `make schemas`"


def test_no_event_is_missing() -> None:
    modules = [choreography.events.__name__, client.events.__name__]
    for package in pkgutil.iter_modules(services.__path__, "services."):
        if package.ispkg and find_spec(f"{package.name}.events"):
            modules.append(f"{package.name}.events")
    wire = {
        kind
        for module in modules
        for kind in vars(import_module(module)).values()
        if isinstance(kind, type) and issubclass(kind, Event) and kind not in (Event, FailureEvent, UndoneEvent)
    }
    assert len(modules) > len(SERVICES)
    assert set(event_types()) == wire
    assert len({kind.type() for kind in wire}) == len(wire), "two events have one name"


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != ASYNCAPI])
def test_every_schema_is_one(name: str) -> None:
    schema = DOCUMENTS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    own = f"/docs/events/{name}" if name == ENVELOPE else f"urn:order-saga:event:{name.partition('.')[0]}"
    assert schema["$id"] == own


@pytest.mark.parametrize("kind", event_types())
def test_private_fields_are_marked_and_only_they(kind: type[Event]) -> None:
    fields = DOCUMENTS[schema_file(kind)]["properties"]
    assert {name for name, its in fields.items() if its.get(PRIVATE)} == set(kind.private)
    assert set(fields) == set(kind.model_fields)


# Events.


TEXT = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=100)
LINE = st.builds(OrderLine, sku=TEXT, quantity=st.integers(1, MAX_QUANTITY))
LINES = st.lists(LINE, min_size=1, max_size=3, unique_by=lambda line: line.sku).map(tuple)
ADDRESSES = st.builds(
    Address, name=TEXT, street=TEXT, postal_code=TEXT, city=TEXT, country=st.from_regex("[A-Z]{2}", fullmatch=True)
)
ORDERS = st.builds(
    OrderContent,
    order_id=st.from_regex("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
    customer_id=TEXT,
    lines=LINES,
    payment_token=TEXT.map(lambda text: f"tok_{text}"[:100]),
    ship_to=ADDRESSES,
)
# What Hypothesis cannot make of the types alone: rules beyond them.
st.register_type_strategy(
    Money, st.builds(Money, amount=st.integers(), currency=st.sampled_from(["EUR", "JPY", "KWD"]))
)
SPECIAL: dict[Any, st.SearchStrategy[Any]] = {OrderContent: ORDERS, Address: ADDRESSES}


def events() -> st.SearchStrategy[Event]:
    def of(kind: type[Event]) -> st.SearchStrategy[Event]:
        fields = kind.model_fields.items()
        return st.builds(
            kind, **{name: SPECIAL[field.annotation] for name, field in fields if field.annotation in SPECIAL}
        )

    return st.sampled_from(event_types()).flatmap(of)


@settings(max_examples=300, deadline=None, database=None)
@given(events())
def test_every_event_keeps_to_its_schema_inside_and_outside(event: Event) -> None:
    wire = on_the_bus(event)
    assert errors(wire) == []
    assert errors(redacted(wire)) == []
    assert wire.dataschema == DOCUMENTS[schema_file(type(event))]["$id"]


@settings(max_examples=100, deadline=None, database=None)
@given(events(), st.sampled_from(event_types()))
def test_an_event_is_one_message_and_no_other(event: Event, other: type[Event]) -> None:
    assert (errors(on_the_bus(event), other.type()) == []) == (other is type(event))


@settings(max_examples=100, deadline=None, database=None)
@given(events(), st.data())
def test_an_event_without_a_field_does_not_keep_to_its_schema(event: Event, data: st.DataObject) -> None:
    wire = on_the_bus(event)
    required = DOCUMENTS[schema_file(type(event))]["required"]
    if required:
        name = data.draw(st.sampled_from(required))
        less = wire.model_copy(update={"data": {key: value for key, value in wire.data.items() if key != name}})
        assert errors(less) == [f"$.data: '{name}' is a required property"]


def test_whatever_the_services_publish_keeps_to_its_schema_and_is_documented_by_them(tmp_path: Path) -> None:
    with closing(Services(Settings(data_dir=tmp_path))) as shop:
        live(shop)
        published = list(published_by(shop))
    assert [(event.type, wrong) for event in published for wrong in errors(event)] == []
    sources = {event.source for event in published}
    assert sources >= {"/orders", "/fraud", "/inventory", "/payments", "/shipping"}
    assert {(event.source, event.type) for event in published} == {
        (source, kind.type()) for source in sources for kind in SOURCES[source]
    }


def live(shop: Services) -> None:
    """All that can happen to orders, and more than can happen to one."""
    orders, fraud, inventory = shop.open(ORDERS_SERVICE), shop.open(FRAUD), shop.open(INVENTORY)
    payments, shipping = shop.open(PAYMENTS), shop.open(SHIPPING)
    for order in (ORDER, OTHER_ORDER, "order-3"):
        orders.create(create({MUG: 1}, order))
        fraud.screen(screen(order))
        inventory.reserve(reserve({MUG: 1}, order))
        payments.charge(charge(order))
        shipping.ship(ship(order))
    orders.complete(CompleteOrder(key=f"{ORDER}:complete", order_id=ORDER))
    orders.adjust(AdjustOrder(key=f"{ORDER}:adjust", order_id=ORDER, returned=True, note="it came back"))
    orders.flag(FlagOrder(key=f"{OTHER_ORDER}:flag", order_id=OTHER_ORDER, problem="the courier does not answer"))
    shipping.cancel(undo("ship", OTHER_ORDER))
    payments.refund(undo("charge", OTHER_ORDER))
    inventory.release(undo("reserve", OTHER_ORDER))
    orders.reject(undo("create", OTHER_ORDER))
    orders.cancel(undo("create", "order-3"))
    payments.refund(undo("charge", "nothing-was-charged"))
    with suppress(Refusal):
        inventory.reserve(reserve({MUG: 1_000_000}, "too-many"))
    with suppress(Refusal):
        payments.charge(charge("no-money", card=EMPTY_CARD))
    with suppress(Refusal):
        shipping.ship(ship("far-away", country="AQ"))
    fraud.screen(screen("large", cents=100_000))
    with suppress(Refusal):
        fraud.screen(screen("huge", cents=1_000_000))


def published_by(shop: Services) -> Iterator[CloudEvent]:
    for service in SERVICES:
        shop.open(service)
        with shop.database(service.name).begin() as tx:
            yield from outbox.oldest(tx, f"/{service.name}", 1_000)[1]


# The AsyncAPI document.


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from references(one)


def messages(operation: Json) -> list[str]:
    return [reference["$ref"].rpartition("/")[2] for reference in operation["messages"]]


def test_every_reference_leads_somewhere() -> None:
    found = {f"{_SERVED}/{name}": set(references(document)) for name, document in DOCUMENTS.items()}
    assert f"{_SERVED}/{ENVELOPE}" in found
    assert len(found[f"{_SERVED}/{ASYNCAPI}"]) > len(event_types())
    for place, asked in found.items():
        resolver = _REGISTRY.resolver(place)
        for reference in asked:
            assert resolver.lookup(reference).contents


def test_every_event_is_a_message_on_the_bus() -> None:
    names = {kind.type() for kind in event_types()}
    assert set(BUS["components"]["messages"]) == names
    assert set(BUS["channels"]["bus"]["messages"]) == names


@pytest.mark.parametrize("source", SOURCES)
def test_every_publisher_is_an_operation_that_sends(source: str) -> None:
    operation = BUS["operations"][f"{source.lstrip('/')}_publishes"]
    assert operation["action"] == "send"
    assert messages(operation) == [kind.type() for kind in SOURCES[source]]


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda reaction: reaction.id)
def test_every_reaction_is_an_operation_that_receives(reaction: Reaction[Any, Any]) -> None:
    operation = BUS["operations"][reaction.id]
    assert operation["action"] == "receive"
    assert messages(operation) == [kind.type() for kind in reaction.after]
    assert reaction.step in operation["summary"]


def test_subscribers_can_receive_everything() -> None:
    assert messages(BUS["operations"]["subscribers_receive"]) == [kind.type() for kind in event_types()]
    assert len(BUS["operations"]) == len(SOURCES) + len(REACTIONS) + 1
