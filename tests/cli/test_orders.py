"""Orders from the command line, as its user meets it: what it says, where it says it, and the exit code."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from client.order import OrderLine
from tests.cli.terminal import MUG, OpenShop, cells, json_lines, line
from tests.processes import run_here
from tests.shop import sample_order, undeliverable
from workflows.contracts import workflow_id

# Place


async def test_an_order_is_placed_and_shown(open_shop: OpenShop) -> None:
    items = ("--item", "mug=1", "--item", "mug=1")
    ran = await open_shop.run_alone("place", *items, "--country", "de", "--order-id", "shown")
    parcel = (await open_shop.run("status", "shown", "--json")).document["tracking_number"]
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out == f"✓ shown completed  24.00 EUR  parcel {parcel}\n  {open_shop.link('shown')}\n"
    assert open_shop.books("shown").charges == [(2400, "EUR")]
    assert open_shop.books("shown").held == {"mug": 2}


async def test_an_order_without_an_id_gets_one_and_json_is_the_whole_of_it(open_shop: OpenShop) -> None:
    ran = await open_shop.run(*MUG, "--json")
    state = ran.document
    assert (ran.code, ran.err) == (0, f"order {state['order_id']}\n")
    assert state["status"] == "completed"
    assert state["stage"] == "ended"
    assert state["reason"] == ""
    assert state["total"] == {"amount": 1200, "currency": "EUR"}
    assert state["workflow_id"] == workflow_id(state["order_id"])
    assert state["link"] == open_shop.link(state["order_id"])
    steps = {step["step"]: step["state"] for step in state["steps"]}
    assert set(steps.values()) == {"done"}
    assert (
        steps.items()
        >= dict.fromkeys(
            (
                "orders.create",
                "fraud.screen",
                "inventory.reserve",
                "payments.charge",
                "shipping.ship",
                "orders.complete",
            ),
            "done",
        ).items()
    )


async def test_a_rejected_order_says_why_and_exits_with_1(open_shop: OpenShop) -> None:
    unknown, sold_out = await open_shop.run_each(
        (*MUG, "--card", "tok_unheard_of", "--order-id", "unknown-card"),
        ("place", "--item", "sold-out-scale=1", "--order-id", "sold-out", "--json"),
    )
    assert (unknown.code, sold_out.code) == (1, 1)
    assert (unknown.err, sold_out.err) == ("", "")
    assert unknown.out.startswith("– unknown-card rejected  12.00 EUR\n  PaymentDeclined: there is no such card token")
    assert sold_out.document["reason"] == "OutOfStock: sold-out-scale: 1 wanted, 0 on hand"


async def test_the_same_id_twice_is_one_order_and_other_content_is_refused(open_shop: OpenShop) -> None:
    same = (*MUG, "--order-id", "twice", "--json")
    first, again, other = (
        await open_shop.run(*same),
        await open_shop.run(*same),
        await open_shop.run(*same, "--city", "x"),
    )
    assert (first.code, again.code) == (0, 0)
    assert again.document == first.document
    assert "order twice exists already, with another city;" in other.complaint
    assert open_shop.books("twice").charges == [(1200, "EUR")]


async def test_one_bad_line_of_a_file_and_nothing_is_placed(open_shop: OpenShop, tmp_path: Path) -> None:
    good = [sample_order() for _ in range(4)]
    lines = json_lines(*good[:2]) + json.dumps(line(quantity=-1)) + "\n" + json_lines(*good[2:])
    file = tmp_path / "orders.jsonl"
    file.write_text(lines)
    assert "line 3: lines[0].quantity" in (await open_shop.run("place", "--file", str(file))).complaint
    for ran in await open_shop.run_each(*(("status", order.order_id) for order in (good[0], good[3]))):
        assert "there is no order" in ran.complaint


async def test_a_hundred_json_lines_of_standard_input_end_in_their_order(open_shop: OpenShop) -> None:
    changes: list[dict[str, Any]] = [{}, {}, {"payment_token": "tok_chargeDeclined"}, {}, undeliverable()]
    orders = [sample_order("many", **changes[number % 5]) for number in range(100)]
    ran = await open_shop.run_alone("place", "--file", "-", "--json", stdin=json_lines(*orders))
    expected = ["completed", "completed", "rejected", "completed", "rejected"] * 20
    assert ran.code == 1
    assert [(each["order_id"], each["status"]) for each in ran.document] == [
        (order.order_id, status) for order, status in zip(orders, expected, strict=True)
    ]


async def test_many_orders_are_counted_and_those_in_trouble_listed(open_shop: OpenShop, tmp_path: Path) -> None:
    good, bad = sample_order(), sample_order(payment_token="tok_chargeDeclined")
    file = tmp_path / "orders.json"
    file.write_text(json.dumps([order.model_dump(mode="json") for order in (good, good, bad)]))
    ran = await open_shop.run("place", "--file", str(file))
    assert ran.code == 1
    assert cells(ran.out, "completed") == ["completed", "1"]
    assert cells(ran.out, bad.order_id)[:3] == [bad.order_id, "orchestration", "– rejected"]
    assert good.order_id not in ran.out


async def test_a_file_with_one_order_is_that_order(open_shop: OpenShop, tmp_path: Path) -> None:
    order = sample_order()
    file = tmp_path / "order.json"
    file.write_text(order.model_dump_json(indent=2))
    ran = await open_shop.run("place", "--file", str(file), "--json")
    assert ran.code == 0
    assert ran.document["order_id"] == order.order_id


# Status, watch and list


async def test_an_order_that_is_not_waited_for_can_be_watched(open_shop: OpenShop) -> None:
    placed = await open_shop.run(*MUG, "--order-id", "slow-1", "--no-wait", "--json")
    assert (placed.code, placed.document["status"]) == (0, "in-progress")
    watched, as_json = await open_shop.run_each(("watch", "slow-1"), ("watch", "slow-1", "--json"))
    assert (watched.code, as_json.code) == (0, 0)
    assert cells(watched.out, "shipping.ship") == ["shipping.ship", "done"]
    assert "✓ slow-1 completed" in watched.out
    assert as_json.document["status"] == "completed"


async def test_the_status_of_a_rejected_order_shows_what_was_undone(open_shop: OpenShop) -> None:
    order = sample_order(**undeliverable())
    await open_shop.has_had(order)
    shown, as_json = await open_shop.run_each(("status", order.order_id), ("watch", order.order_id, "--json"))
    assert (shown.code, as_json.code) == (1, 1)
    assert cells(shown.out, "shipping.ship") == ["shipping.ship", "refused", "Undeliverable: no courier goes to AQ"]
    assert cells(shown.out, "payments.refund") == ["payments.refund", "done"]
    states = {step["step"]: step["state"] for step in as_json.document["steps"]}
    assert states["inventory.release"] == states["orders.reject"] == "undone"


async def test_an_unknown_order_is_no_order_to_any_command(open_shop: OpenShop) -> None:
    for ran in await open_shop.run_each(("status", "nobody"), ("watch", "nobody"), ("resolve", "nobody", "retry")):
        assert "there is no order nobody" in ran.complaint
        assert "'starter.py list' shows those that are" in ran.complaint


@pytest.mark.parametrize("order_id", ["x" * 5000, "a\udcffb"], ids=["long", "bytes"])
async def test_an_id_that_no_order_can_have_is_refused(open_shop: OpenShop, order_id: str) -> None:
    assert (await open_shop.run("status", order_id)).complaint


async def test_orders_are_listed_by_status_the_newest_first(open_shop: OpenShop) -> None:
    older, newer = (sample_order("listed", payment_token="tok_chargeDeclined") for _ in range(2))
    await open_shop.has_had(older)
    await open_shop.has_had(newer)

    async def listed() -> list[Any]:
        ran = await open_shop.run("list", "--status", "rejected", "--limit", "2", "--json")
        assert ran.code == 0
        return [order["order_id"] for order in ran.document]

    async with asyncio.timeout(30):  # the server's index follows a little later
        while await listed() != [newer.order_id, older.order_id]:
            pass
    shown, needing = await open_shop.run_each(("list", "--limit", "1"), ("list", "--status", "needs-attention"))
    order_id, style, status, age, amount, why = cells(shown.out, newer.order_id)
    assert (order_id, style, status, amount) == (newer.order_id, "orchestration", "– rejected", "48.50 EUR")
    assert age.split()[1] in ("s", "min")
    assert why.startswith("PaymentDeclined")
    assert older.order_id not in shown.out
    assert (needing.code, needing.out) == (0, "No such orders.\n")


# Cancel, review and resolve


async def test_a_held_order_is_approved_declined_or_cancelled(open_shop: OpenShop) -> None:
    machine = (OrderLine(sku="espresso-machine", quantity=1),)
    await open_shop.has_had(*(sample_order(order_id=name, lines=machine) for name in ("held-2", "held-3")))
    held = await open_shop.run("place", "--item", "espresso-machine=1", "--order-id", "held-1")
    assert (held.code, held.err) == (0, "")
    assert "… held-1 in-progress" in held.out
    assert "PossibleFraud: large amount (score 50)" in held.out
    assert "approve: starter.py review held-1 approve\n" in held.out
    assert "decline: starter.py review held-1 decline\n" in held.out
    needless = await open_shop.run("resolve", "held-1", "retry")
    assert "order held-1: the order does not need attention" in needless.complaint

    approved, declined, cancelled = await open_shop.run_each(
        ("review", "held-1", "approve", "--note", "known to us"),
        ("review", "held-2", "decline", "--note", "a stolen card", "--json"),
        ("cancel", "held-3", "--reason", "changed my mind", "--json"),
    )
    assert (approved.code, declined.code, cancelled.code) == (0, 0, 0)
    assert "✓ held-1 completed  1299.00 EUR" in approved.out
    assert declined.document["reason"] == "FraudConfirmed: declined in review: a stolen card"
    assert cancelled.document["status"] == "cancelled"
    assert cancelled.document["reason"] == "Cancelled by the customer: changed my mind"

    late = await open_shop.run_each(("cancel", "held-1"), ("review", "held-2", "approve"), ("status", "held-3"))
    assert "order held-1 has ended already: completed" in late[0].complaint
    assert "order held-2 has ended already: rejected" in late[1].complaint
    assert late[2].code == 1


async def test_an_order_that_needs_attention_is_tried_again_and_settled_by_hand(open_shop: OpenShop) -> None:
    """Its refund is refused whenever it is asked for."""
    placed = await open_shop.run(*MUG, "--country", "AQ", "--order-id", "stuck-1")
    assert placed.code == 1
    assert "! stuck-1 needs-attention" in placed.out
    assert "cannot be done: payments.refund: CannotUndo" in placed.out
    assert "try again:       starter.py resolve stuck-1 retry\n" in placed.out
    assert "settled by hand: starter.py resolve stuck-1 resolved --note TEXT\n" in placed.out

    review, cancel = await open_shop.run_each(("review", "stuck-1", "approve"), ("cancel", "stuck-1"))
    assert "order stuck-1: the order is not held for review" in review.complaint
    assert "it is too late to cancel: the order is being undone already" in cancel.complaint

    retried = await open_shop.run("resolve", "stuck-1", "retry")
    assert retried.code == 1
    assert "! stuck-1 needs-attention" in retried.out

    settled = await open_shop.run("resolve", "stuck-1", "resolved", "--note", "paid back in cash", "--json")
    assert settled.code == 0
    assert settled.document["status"] == "rejected"
    by_hand = {"step": "payments.refund", "state": "settled by hand", "detail": "paid back in cash"}
    assert by_hand in settled.document["steps"]
    audit = await open_shop.run("audit")
    assert audit.code == 0
    assert "settled by hand: stuck-1: payments.refund: CannotUndo: payments.refund refuses – paid back" in audit.out


# Catalogue, and all of it


async def test_the_catalogue_shows_prices_and_what_is_on_hand(open_shop: OpenShop) -> None:
    shown, as_json = await open_shop.run("catalogue"), run_here(open_shop.environment, "catalogue", "--json")
    assert (shown.code, as_json.code) == (0, 0)
    assert cells(shown.out, "last-kettle") == ["last-kettle", "Copper kettle, discontinued", "89.00 EUR", "1"]
    offers = {offer["sku"]: offer for offer in as_json.document}
    assert offers["roaster"]["unit_price"] == {"amount": 1_190_000, "currency": "EUR"}
    assert offers["sold-out-scale"]["on_hand"] == 0


async def test_the_audit_of_all_that_happened_here_finds_nothing(open_shop: OpenShop) -> None:
    ran = await open_shop.run("audit", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.document["violations"] == []
    assert ran.document["orders"] == sum(ran.document["by_status"].values())
