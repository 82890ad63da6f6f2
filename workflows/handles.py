"""An order's workflow on the Temporal server, by its id."""

from temporalio.client import Client, WorkflowHandle
from temporalio.types import MethodAsyncSingleParam

from client.contracts import OrderState
from workflows.contracts import PlaceOrder
from workflows.order_saga import OrderSaga

Handle = WorkflowHandle[OrderSaga, OrderState]

# Annotated, since what mypy infers depends on the order in which it reads the files.
_RUN: MethodAsyncSingleParam[OrderSaga, PlaceOrder, OrderState] = OrderSaga.run


def handle_of(client: Client, workflow_id: str) -> Handle:
    return client.get_workflow_handle_for(_RUN, workflow_id)
