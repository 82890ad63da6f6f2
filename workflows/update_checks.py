"""The validators of updates. Their texts are for the user."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

with workflow.unsafe.imports_passed_through():
    from client.contracts import Resolution, ResolveBy, Review
    from client.errors import TooLong
    from client.free_text import check_length
    from workflows.contracts import BEING_CANCELLED, CancelRequest
    from workflows.saga import Saga


MOST_RETRIES = 200  # keeps room for an operator's decision within Temporal's limits of 2,000 updates and 50,000 events


def can_cancel(saga: Saga, request: CancelRequest, reason: str) -> None:
    """A second cancellation is refused too: a workflow has a limit of updates, and operators need some of them."""
    _check_length(request.reason, request.actor)
    if saga.cancel_reason is not None:
        raise _not_now(BEING_CANCELLED, "the order is being cancelled already")
    if saga.past_pivot:
        raise _not_now("TooLate", "it is too late to cancel: the parcel is on its way")
    if saga.undoing:
        raise _not_now("TooLate", f"it is too late to cancel: the order is being undone already ({reason})")


def can_review(review: Review, *, held: bool) -> None:
    _check_length(review.note, review.actor)
    if not held:
        raise _not_now("NotHeld", "the order is not held for review")


def can_resolve(saga: Saga, resolution: Resolution) -> None:
    _check_length(resolution.note, resolution.actor)
    if not saga.problems:
        raise _not_now("NoProblem", "the order does not need attention")
    if not saga.waits_for_operator:
        raise _not_now("NotYet", "a step is still being retried; look at the order again in a moment")
    if resolution.step and resolution.step not in saga.problems:
        raise _not_now("NoSuchProblem", f"{resolution.step} is not stuck; {', '.join(saga.problems)} is")
    if resolution.decision is ResolveBy.RETRY and saga.retries >= MOST_RETRIES:
        raise _not_now("TooOften", f"it was tried again {MOST_RETRIES} times: settle it by hand, and decide 'resolved'")
    parcel = saga.held_back_by if resolution.step in ("", saga.held_back_by) else ""
    if resolution.decision.is_about_a_parcel and not parcel:
        message = f"{resolution.decision} is for a shipment that cannot be called back; use 'resolved'"
        raise _not_now("NotAParcel", message)
    if resolution.decision is ResolveBy.RESOLVED and parcel:
        raise _not_now("WhereIsIt", f"{parcel} is stuck: use 'returned' or 'delivered', by where the parcel is")
    if resolution.decision is not ResolveBy.RETRY and not resolution.note.strip():
        raise _not_now("NoteMissing", "a note is required: how was it settled by hand?")


def _check_length(*texts: str) -> None:
    try:
        check_length(*texts)
    except TooLong as error:
        raise _not_now("TooLong", str(error)) from None


def _not_now(type: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=type, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
