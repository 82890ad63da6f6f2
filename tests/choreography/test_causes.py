"""An order as a tree of causes, also where a workflow decided what comes next."""

from typing import Any

from cli.trace import documents
from kernel.contracts import Style
from services.orders.events import OrderFlagged
from tests.events import published
from tests.subscribers.processes import recorded
from tests.subscribers.samples import called_back, completed, declined, undeliverable


def _tree(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return {node["event"]["type"]: _tree(node["caused"]) for node in nodes}


def test_each_step_is_under_the_one_that_let_it_go_on() -> None:
    assert _tree(documents(recorded(completed()))) == {
        "OrderCreated": {
            "NoFraudDetected": {},
            "StockReserved": {"PaymentProcessed": {"Shipped": {"OrderCompleted": {}}}},
        }
    }


def test_an_undo_is_under_what_it_is_done_for_and_the_end_under_the_last_of_them() -> None:
    flagged = published(OrderFlagged(problem="payments.refund: refused", settled=""), after=2.5)
    assert _tree(documents(recorded([*undeliverable(), flagged]))) == {
        "OrderCreated": {
            "PaymentProcessed": {"ShippingFailed": {"PaymentRefunded": {"OrderRejected": {}}, "OrderFlagged": {}}}
        }
    }
    assert _tree(documents(recorded(declined()))) == {
        "OrderCreated": {"StockReserved": {"PaymentFailed": {"StockReleased": {"OrderRejected": {}}}}}
    }


def test_a_cancelled_order_is_undone_from_its_parcel_on() -> None:
    """Who cancels a workflow publishes no event, so what it undoes first is a root."""
    assert _tree(documents(recorded(called_back()))) == {
        "OrderCreated": {"PaymentProcessed": {"Shipped": {}}},
        "ShipmentCancelled": {"PaymentRefunded": {"OrderCancelled": {}}},
    }


def test_what_says_its_own_cause_is_believed() -> None:
    log = recorded(completed(style=Style.CHOREOGRAPHY))
    assert set(_tree(documents(log))) == {one.event.type for one in log}  # each names a cause that is none of them
