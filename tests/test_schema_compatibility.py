"""A change of an event that would break a reader is found, with its reason; any other passes."""

from types import GenericAlias
from typing import Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field, create_model

from kernel.contracts import Contract
from kernel.money import Money
from schemas.compatibility import breaks
from schemas.names import PRIVATE

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
NOTE = (str, "")

# How reasons end.
FAILS, SURPRISED = "; a consumer that reads it fails", "; a consumer that reads it does not expect that"
RELIES, ARCHIVE = "; a consumer that relies on that fails", "; archived events may be otherwise"


class Closed(Contract):
    """Takes no field that it does not know."""

    model_config = ConfigDict(extra="forbid")


def of(base: type[Contract] = Contract, /, **fields: Any) -> Schema:
    """The schema of an event with these fields."""
    model: type[Contract] = create_model("Sent", __base__=base, **fields)
    return model.model_json_schema(mode="serialization")


def inside(base: type[Contract] = Contract, /, **fields: Any) -> type[Contract]:
    """A value with these fields."""
    return create_model("Inside", __base__=base, **fields)


def many(type: Any) -> Any:
    return GenericAlias(tuple, (type, ...))


def private(type: Any) -> Any:
    return Annotated[type, Field(json_schema_extra={PRIVATE: True})]


def text(**limits: Any) -> Any:
    return Annotated[str, Field(**limits)]


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        # Consumers that were made for the old events read the new ones.
        (of(total=int), of(), ["`total` is gone" + FAILS]),
        (of(note=NOTE), of(), ["`note` is gone" + FAILS]),
        (
            of(total=int),
            of(sum=int),
            ["`sum` is new and has no default; archived events do not have it", "`total` is gone" + FAILS],
        ),
        (of(note=str), of(note=NOTE), ["`note` may be missing" + FAILS]),
        (of(total=int), of(total=str), ["`total` is string instead of integer" + FAILS]),
        (of(total=int), of(total=Money), ["`total` is object instead of integer" + FAILS]),
        (of(total=Money), of(total=int), ["`total` is integer instead of object" + FAILS]),
        (of(total=int), of(total=float), ["`total` may be number instead of integer" + SURPRISED]),
        (of(total=int), of(total=Any), ["`total` may be anything instead of integer" + SURPRISED]),
        (of(total=int), of(total=int | None), ["`total` may be null" + SURPRISED]),
        (of(total=int), of(total=int | str), ["`total` may be string" + SURPRISED]),
        (
            of(total=int),
            of(total=Money | str),
            [
                "`total` may be an object with amount, currency" + SURPRISED,
                "`total` may be string" + SURPRISED,
                "`total` may not be integer any more" + ARCHIVE,
            ],
        ),
        (
            of(how=int),
            of(how=Literal["a"] | bool),
            [
                '`how` may be one of ["a"]' + SURPRISED,
                "`how` may be boolean" + SURPRISED,
                "`how` may not be integer any more" + ARCHIVE,
            ],
        ),
        (of(how=Literal["a", "b"]), of(how=Literal["a", "b", "c"]), ['`how` may be "c"' + SURPRISED]),
        (of(how=Literal["a"]), of(how=str), ['`how` may be other than ["a"]' + SURPRISED]),
        (of(note=text(max_length=9)), of(note=str), ["`note` has maxLength none instead of 9" + RELIES]),
        (of(note=text(max_length=9)), of(note=text(max_length=10)), ["`note` has maxLength 10 instead of 9" + RELIES]),
        (of(note=text(min_length=1)), of(note=text(min_length=0)), ["`note` has minLength 0 instead of 1" + RELIES]),
        (of(note=text(pattern="^a")), of(note=str), ['`note` has pattern none instead of "^a"' + RELIES]),
        (
            of(ship_to=inside(Closed, city=str)),
            of(ship_to=inside(Closed, city=str, street=NOTE)),
            ["`ship_to.street` is new where nothing new is allowed; a consumer that checks that refuses the event"],
        ),
        (
            of(ship_to=inside(Closed, city=str)),
            of(ship_to=dict[str, str]),
            [
                "`ship_to.city` is gone" + FAILS,
                "`ship_to` may have other fields; a consumer that allows none refuses the event",
            ],
        ),
        # New code reads the old events of the archive.
        (of(), of(tax=int), ["`tax` is new and has no default; archived events do not have it"]),
        (of(note=NOTE), of(note=str), ["`note` must be there; archived events may not have it"]),
        (of(total=float), of(total=int), ["`total` must be integer instead of number" + ARCHIVE]),
        (of(total=Any), of(total=int), ["`total` must be integer instead of anything" + ARCHIVE]),
        (of(total=int | None), of(total=int), ["`total` may not be null any more" + ARCHIVE]),
        (of(how=Literal["a", "b"]), of(how=Literal["b"]), ['`how` may not be "a" any more' + ARCHIVE]),
        (of(how=str), of(how=Literal["a"]), ['`how` must be one of ["a"]' + ARCHIVE]),
        (of(note=str), of(note=text(min_length=1)), ["`note` has minLength 1 instead of none" + ARCHIVE]),
        (
            of(total=Annotated[int, Field(le=10)]),
            of(total=Annotated[int, Field(le=9)]),
            ["`total` has maximum 9 instead of 10" + ARCHIVE],
        ),
        (
            of(total=Annotated[int, Field(gt=0)]),
            of(total=Annotated[int, Field(gt=1)]),
            ["`total` has exclusiveMinimum 1 instead of 0" + ARCHIVE],
        ),
        (
            of(note=text(min_length=1, pattern="^a")),
            of(note=text(min_length=2, pattern="^a")),
            ["`note` has minLength 2 instead of 1" + ARCHIVE],
        ),
        (of(note=str), of(note=text(pattern="^a")), ['`note` has pattern "^a" instead of none' + ARCHIVE]),
        (
            of(ship_to=inside(city=str)),
            of(ship_to=inside(Closed, city=str)),
            ["`ship_to` allows no other fields any more; archived events may have some"],
        ),
        (
            of(note=(str, "")),
            of(note=(str, "none")),
            ['`note`, when missing, means "none" instead of ""; archived events would say something else'],
        ),
        # Either.
        (
            of(note=text(pattern="^a")),
            of(note=text(pattern="^b")),
            [
                '`note` has pattern "^b" instead of "^a"; a consumer that relies on that fails, and '
                "archived events may be otherwise"
            ],
        ),
        # However deep inside.
        (
            of(total=Money),
            of(total=inside(amount=float, currency=str)),
            ["`total.amount` may be number instead of integer" + SURPRISED],
        ),
        (
            of(lines=many(inside(sku=str))),
            of(lines=many(inside(sku=str, unit_price=Money))),
            ["`lines[].unit_price` is new and has no default; archived events do not have it"],
        ),
        (of(lines=many(many(int))), of(lines=many(many(str))), ["`lines[][]` is string instead of integer" + FAILS]),
        (of(total=Money | None), of(total=inside(currency=str) | None), ["`total.amount` is gone" + FAILS]),
        (
            of(prices=dict[str, int]),
            of(prices=inside(vat=NOTE)),
            [
                "`prices.vat` is string instead of integer" + FAILS,
                "`prices.*` may be anything instead of integer" + SURPRISED,
            ],
        ),
        (of(prices=dict[str, int]), of(prices=dict[str, str]), ["`prices.*` is string instead of integer" + FAILS]),
        # Who may know.
        (
            of(card=str),
            of(card=private(str)),
            ["`card` is private now; a consumer outside our own services that reads it fails"],
        ),
        (
            of(card=private(str)),
            of(card=str),
            ["`card` is not private any more, and would be published to outside systems; that needs a decision"],
        ),
    ],
)
def test_a_change_that_breaks_a_reader_is_found_with_its_reason(old: Schema, new: Schema, reasons: list[str]) -> None:
    assert breaks(old, new) == [f"Sent: {reason}" for reason in reasons]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (of(total=int), of(total=int, note=NOTE)),
        (of(total=int), of(total=int, note=(Money | None, None))),
        (of(total=int), of(total=int, card=(private(str), ""))),
        (of(total=Money), of(total=inside(amount=int, currency=str, note=NOTE))),
        (of(total=Money | None), of(total=inside(amount=int, currency=str, note=NOTE) | None)),
        (of(lines=many(inside(sku=str))), of(lines=many(inside(sku=str, gift=(bool, False))))),
        (of(a=int, b=int), of(b=int, a=int)),
        (of(total=int | None), of(total=None | int)),
        (of(how=Literal["a", "b"]), of(how=Literal["b", "a"])),
        (of(total=int), of(total=Annotated[int, Field(title="Sum", description="In cents.", examples=[1])])),
        (of(total=int), of(total=Annotated[int, Field(deprecated=True)])),
        (of(ship_to=inside(Closed, city=str)), of(ship_to=inside(city=str))),
        ({"properties": {"how": {"oneOf": [TEXT, NUMBER]}}}, {"properties": {"how": {"anyOf": [NUMBER, TEXT]}}}),
        ({"properties": {"how": {"const": 1}}}, {"properties": {"how": {"enum": [1]}}}),
        (
            {"properties": {"how": {"type": ["string", "null"]}}},
            {"properties": {"how": {"anyOf": [{"type": "null"}, TEXT]}}},
        ),
    ],
)
def test_a_change_that_nobody_need_know_of_passes(old: Schema, new: Schema) -> None:
    assert breaks(old, new) == []


def test_a_field_that_was_private_and_required_may_not_go_missing() -> None:
    """No schema requires a private field, since who is outside does not get it; our own services rely on it."""
    old: Schema = {"title": "Sent", "properties": {"card": {**TEXT, PRIVATE: True}}}
    new: Schema = {"title": "Sent", "properties": {"card": {**TEXT, PRIVATE: True, "default": ""}}}
    assert breaks(old, new) == ["Sent: `card` may be missing; a consumer that reads it fails"]
    assert breaks({"title": "Sent"}, old) == ["Sent: `card` is new and has no default; archived events do not have it"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"prefixItems": [TEXT]}, {"prefixItems": [NUMBER]}),
        ({"minLength": 1, "anyOf": [{**TEXT, "minLength": 2}]}, {"minLength": 3, "anyOf": [{**TEXT, "minLength": 2}]}),
        ({"uniqueThings": True}, {}),
    ],
)
def test_what_the_check_does_not_know_counts_as_a_break(old: Schema, new: Schema) -> None:
    assert breaks({"properties": {"lines": old}}, {"properties": {"lines": new}})
    assert breaks({"properties": {"lines": new}}, {"properties": {"lines": old}})


@pytest.mark.parametrize(
    "damaged",
    [
        {"$ref": "#/$defs/Gone"},
        {"$ref": "elsewhere#/$defs/Here", "$defs": {"Here": TEXT}},
        {"properties": [1]},
        {"items": 1},
        {"required": [[]]},
    ],
)
def test_a_schema_that_cannot_be_read_counts_as_a_break(damaged: Schema) -> None:
    (reason,) = breaks(damaged, of(total=int))
    assert reason.endswith("so it is unknown which readers can handle the change")


def test_a_schema_inside_itself_is_compared() -> None:
    def tree(**leaf: Any) -> Schema:
        node = {"type": "object", "properties": {"leaf": leaf, "below": {"$ref": "#/$defs/Node"}}}
        return {"title": "Sent", "$defs": {"Node": node}, "$ref": "#/$defs/Node"}

    assert breaks(tree(**TEXT), tree(**TEXT)) == []
    assert "Sent: `leaf` is integer instead of string; a consumer that reads it fails" in breaks(
        tree(**TEXT), tree(**NUMBER)
    )
