"""Why an update is refused now: the text is for the person who asked."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

with workflow.unsafe.imports_passed_through():
    from client.contracts import Resolution, ResolveBy
    from workflows.saga import Saga


def can_cancel(saga: Saga, reason: str) -> None:
    if saga.past_pivot:
        raise _not_now("TooLate", "it is too late to cancel: the parcel is on its way")
    if saga.undoing and saga.cancel_reason is None:
        raise _not_now("TooLate", f"it is too late to cancel: the order is being undone already ({reason})")


def can_review(*, held: bool) -> None:
    if not held:
        raise _not_now("NotHeld", "the order is not held for review")


def can_resolve(saga: Saga, resolution: Resolution) -> None:
    if not saga.problems:
        raise _not_now("NoProblem", "the order does not need attention")
    if not saga.waits_for_operator:
        raise _not_now("NotYet", "something of it is still being tried; look at the order again in a moment")
    if resolution.step and resolution.step not in saga.problems:
        raise _not_now("NoSuchProblem", f"{resolution.step} is not stuck; {', '.join(saga.problems)} is")
    held_back_by = saga.held_back_by
    if resolution.decision.is_about_a_parcel and resolution.step not in ("", held_back_by):
        raise _not_now(
            "NotAParcel", f"{resolution.decision} is for a shipment that cannot be called back; say resolved"
        )
    if resolution.decision.is_about_a_parcel and not held_back_by:
        raise _not_now(
            "NotAParcel", f"{resolution.decision} is for a shipment that cannot be called back; say resolved"
        )
    if resolution.decision is ResolveBy.RESOLVED and held_back_by and resolution.step in ("", held_back_by):
        raise _not_now("WhereIsIt", f"{held_back_by} is stuck: say whether the parcel was returned, or delivered")
    if resolution.decision is not ResolveBy.RETRY and not resolution.note.strip():
        raise _not_now("NoteMissing", "say in a note how it was settled by hand")


def _not_now(type: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=type, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
