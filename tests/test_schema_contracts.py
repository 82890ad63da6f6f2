"""A contract between our own processes changes only so that an older one, beside a newer one, can go on."""

import json
from typing import Any

import pytest

from schemas.contracts import broken_contracts, document

Contracts = dict[str, Any]


def before(where: str, *fields: str) -> str:
    """The release before this one, which did not have these fields."""
    contracts: Contracts = json.loads(document())
    for field in fields:
        del contracts[where]["properties"][field]
        contracts[where]["required"] = [one for one in contracts[where].get("required", []) if one != field]
    return json.dumps(contracts)


def test_what_did_not_change_breaks_nothing() -> None:
    assert broken_contracts(document()) == []


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("shipping.ship reply Booked", "tracking_number"),
        ("payments.charge command ChargeCard", "amount"),
        ("saga.run command PlaceOrder", "order"),
        ("saga.resolve command Resolution", "decision"),
    ],
)
def test_a_new_field_that_must_be_there_is_refused(where: str, field: str) -> None:
    """An older process does not send it: the saga's tasks would fail, after the card was charged."""
    [reason, *_] = broken_contracts(before(where, field))
    assert reason.startswith(f"{where}: ")
    assert f"`{field}` is new and has no default" in reason


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("orders.create command CreateOrder", "saga"),
        ("saga.cancel command CancelRequest", "reason"),
        ("saga.run command PlaceOrder", "policy"),
        ("saga.run reply OrderState", "tracking_number"),
    ],
)
def test_a_new_field_with_a_default_is_additive(where: str, field: str) -> None:
    assert broken_contracts(before(where, field)) == []


def test_a_new_field_of_a_command_is_no_part_of_what_its_key_stands_for() -> None:
    [reason] = broken_contracts(before("orders.create command CreateOrder", "payment_token"))
    assert "a retry by an older process looks like another request" in reason


def test_what_is_gone_or_has_another_type_is_refused() -> None:
    contracts: Contracts = json.loads(document())
    contracts["payments.void command Undo"] = contracts["payments.refund command Undo"]
    contracts["shipping.ship reply Booked"]["properties"]["tracking_number"] = {"type": "integer"}
    gone, changed = sorted(broken_contracts(json.dumps(contracts)))
    assert gone.startswith("payments.void command Undo: is gone")
    assert "`tracking_number` is string instead of integer" in changed
