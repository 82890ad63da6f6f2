"""An order that was ended by force, as its operator meets it: seen at once by every command, and moved on."""

from client.order import OrderLine
from tests.cli.terminal import OpenShop
from tests.conftest import client_of
from tests.shop import sample_order
from workflows.contracts import workflow_id


async def test_an_order_that_was_ended_by_force_is_found_by_the_audit_and_resolved(open_shop: OpenShop) -> None:
    order = sample_order("forced", lines=(OrderLine(sku="espresso-machine", quantity=1),))
    await open_shop.has_had(order)
    client = await client_of(open_shop.settings, open_shop.environment["TEMPORAL_NAMESPACE"])
    await client.get_workflow_handle(workflow_id(order.order_id)).terminate("by mistake")
    audit = await open_shop.run("audit", "--json")
    assert audit.code == 1
    assert [(one["order_id"], one["invariant"]) for one in audit.document["violations"]] == [
        (order.order_id, "every order ends")
    ]
    shown = await open_shop.run("status", order.order_id)
    assert shown.code == 1
    assert "its workflow was ended by force (terminated)" in shown.out
    assert f"starter.py resolve {order.order_id} retry" in shown.out

    assert "in-progress" in (await open_shop.run("resolve", order.order_id, "retry")).out
    assert (await open_shop.run("review", order.order_id, "approve")).code == 0
    assert open_shop.books(order.order_id).parcels_booked == 1
    assert (await open_shop.run("audit")).code == 0
