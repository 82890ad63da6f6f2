"""What the Temporal server shows of an order: its search attributes, and the texts on its page in the UI.

Search attributes are never encrypted, so they have no personal data.
"""

from temporalio import workflow
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from client.contracts import OrderState, Stage
    from services.orders.contracts import OrderStatus
    from workflows.contracts import WORKFLOW, OrderInput, order_id_of
    from workflows.standing import OfWorkflow, Run

ORDER_STATUS = SearchAttributeKey.for_keyword("OrderStatus")
ORDER_STAGE = SearchAttributeKey.for_keyword("OrderStage")
ORDER_REASON = SearchAttributeKey.for_keyword("OrderReason")

# The queries by which the Temporal UI finds the same orders. A later run of one that was ended by force may end well.
OF_ORDERS = f'WorkflowType = "{WORKFLOW}"'
ENDED_BY_FORCE = f'(ExecutionStatus IN ("Terminated", "TimedOut", "Failed") AND {ORDER_STAGE.name} != "{Stage.ENDED}")'

# The attributes at the start.
FIRST_ATTRIBUTES = TypedSearchAttributes(
    [
        SearchAttributePair(ORDER_STATUS, OrderStatus.IN_PROGRESS),
        SearchAttributePair(ORDER_STAGE, Stage.PROCESSING),
    ]
)


class Visibility:
    """Keeps what the server shows of one order up to date."""

    def __init__(self) -> None:
        self._indexed = Stage.PROCESSING

    def changed(self, state: OrderState) -> None:
        """Update the page, and the search attributes if the stage has changed."""
        if state.stage is not self._indexed:
            self.index(state)
        else:
            self._describe(state)

    def index(self, state: OrderState) -> None:
        """Update the search attributes and the page."""
        self._indexed = state.stage
        workflow.upsert_search_attributes(
            [
                ORDER_STATUS.value_set(state.status),
                ORDER_STAGE.value_set(state.stage),
                # A keyword holds 255 characters at most on some stores.
                ORDER_REASON.value_set(state.reason.partition(":")[0][:255]),
            ]
        )
        self._describe(state)

    def _describe(self, state: OrderState) -> None:
        """Set the workflow's current details, in Markdown."""
        lines = [f"**{state.status}** {state.reason}".strip(), ""]
        lines += [f"- `{r.step}` {r.state}{': ' if r.detail else ''}{r.detail}" for r in state.steps]
        workflow.set_current_details("\n".join(lines))


def of_index(execution: WorkflowExecution) -> OfWorkflow:
    """The order's state by the server's index: all that can be known without a worker."""
    attributes = execution.typed_search_attributes
    stage = Stage(attributes.get(ORDER_STAGE) or Stage.PROCESSING)
    state = OrderState(
        order_id=order_id_of(execution.id),
        status=OrderStatus(attributes.get(ORDER_STATUS) or OrderStatus.IN_PROGRESS),
        stage=stage,
        reason=attributes.get(ORDER_REASON) or "",
    )
    if execution.status in (WorkflowExecutionStatus.RUNNING, None):
        return OfWorkflow(state, Run.RUNNING)
    if stage is Stage.ENDED:
        return OfWorkflow(state, Run.ENDED)
    # A saga that stops before its end was ended by force, without compensation.
    return OfWorkflow(state, Run.FORCED, execution.status.name.lower().replace("_", " "))


def summary(order: OrderInput) -> str:
    """One line on an order."""
    first = f"{order.lines[0].quantity} × {order.lines[0].sku}"
    more = f" and {len(order.lines) - 1} more" if len(order.lines) > 1 else ""
    return f"{first}{more}, to {order.ship_to.country}"


def details(order: OrderInput) -> str:
    """The order's lines, in Markdown."""
    return "\n".join(f"- {line.quantity} × {line.sku}" for line in order.lines)
