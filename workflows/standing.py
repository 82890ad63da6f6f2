"""An order's state, derived from its workflow and its record. No other code combines the two.

The orders service's record is ahead of the workflow if Temporal was restored or reset, or has deleted the order; it is
behind if its own database was restored. docs/reliability.md has the table.
"""

from dataclasses import dataclass
from enum import StrEnum

from client.contracts import OrderState, Stage
from client.records import OrderOnRecord
from kernel.contracts import Style
from services.orders.contracts import OrderStatus


class Run(StrEnum):
    """The state of the latest run of an order's workflow."""

    RUNNING = "running"
    ENDED = "ended"  # normally
    FORCED = "forced"  # terminated, timed out or failed


@dataclass(frozen=True)
class OfWorkflow:
    """The order's state by its workflow: its own, or the server's index. `how` is how a forced run ended."""

    state: OrderState
    run: Run
    how: str = ""


@dataclass(frozen=True)
class Standing:
    """`can_start_again`: its saga ended before the order, or is lost; a new run does or undoes what is missing."""

    state: OrderState
    can_start_again: bool = False


def by_workflow_alone(workflow: OfWorkflow) -> Standing:
    """For when the record cannot be read."""
    return _forced(workflow, None) if workflow.run is Run.FORCED else Standing(workflow.state)


def standing(workflow: OfWorkflow | None, record: OrderOnRecord | None) -> Standing | None:
    """The order's state; None if there is neither workflow nor record. Read the record after the workflow."""
    if record is not None and record.style is not Style.ORCHESTRATION:
        return Standing(workflow.state) if workflow else None  # the id is a choreographed order's
    if workflow is None:
        return _without_workflow(record) if record else None
    if record is None:
        return _without_record(workflow)
    if record.ends is OrderStatus.COMPLETED:
        return Standing(_completed(workflow, record))
    match workflow.run:
        case Run.RUNNING:
            return Standing(workflow.state)
        case Run.FORCED:
            if record.has_ended and not record.problem and workflow.state.status is not OrderStatus.NEEDS_ATTENTION:
                return Standing(record.state)
            return _forced(workflow, record)
        case Run.ENDED:
            if record.has_ended and not record.problem:
                return Standing(_as_recorded(workflow.state, record))
            ended = f"its workflow has ended as {workflow.state.status}, and the orders service has not recorded that"
            return _stuck(record.state, record.problem or ended, can_start_again=True)


def _without_workflow(record: OrderOnRecord) -> Standing:
    if record.has_ended and not record.problem:
        return Standing(record.state)
    unknown = "Temporal does not know this order, and the orders service has it in progress"
    return _stuck(record.state, record.problem or unknown, can_start_again=True)


def _without_record(workflow: OfWorkflow) -> Standing:
    if workflow.run is not Run.FORCED and (workflow.state.status is OrderStatus.COMPLETED or _has_created(workflow)):
        return _stuck(workflow.state, "the orders service has lost its record of this order: restore its database")
    return by_workflow_alone(workflow)


def _has_created(workflow: OfWorkflow) -> bool:
    """Whether the order must have had a record. A rejected order may never have had one."""
    state = workflow.state
    goes_on = workflow.run is Run.RUNNING and state.stage in (Stage.PROCESSING, Stage.REVIEW)
    return goes_on and any((one.step, one.state) == ("orders.create", "done") for one in state.steps)


def _forced(workflow: OfWorkflow, record: OrderOnRecord | None) -> Standing:
    state = workflow.state if record is None else workflow.state.model_copy(update={"total": record.total})
    problem = f"its workflow was ended by force ({workflow.how}): nothing more is done or undone"
    return _stuck(state, problem, can_start_again=True)


def _completed(workflow: OfWorkflow, record: OrderOnRecord) -> OrderState:
    """The completed order, unless its workflow still waits for an operator."""
    own = workflow.state
    needs_attention = workflow.run is Run.RUNNING and own.status is OrderStatus.NEEDS_ATTENTION
    return own if needs_attention else _as_recorded(own, record)


def _as_recorded(own: OrderState, record: OrderOnRecord) -> OrderState:
    """The recorded end, with the steps and the tracking number, which only the workflow has."""
    known = {"steps": own.steps, "tracking_number": own.tracking_number}
    return record.state.model_copy(update=known)


def _stuck(state: OrderState, problem: str, *, can_start_again: bool = False) -> Standing:
    attention = {"status": OrderStatus.NEEDS_ATTENTION, "stage": Stage.ATTENTION, "problems": (problem,)}
    return Standing(state.model_copy(update=attention), can_start_again)
