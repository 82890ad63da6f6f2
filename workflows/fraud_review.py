"""A possible fraud is held until a person decides; at the deadline it is declined."""

from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from client.contracts import Review
    from services.fraud.contracts import Decision
    from workflows.saga import Saga


class FraudReview:
    """Holds one order for a decision.

    Args:
        seconds: the time until the order is declined.
        changed: called when the order is held.
    """

    def __init__(self, saga: Saga, seconds: float, changed: Callable[[], None]) -> None:
        self._saga = saga
        self._deadline = timedelta(seconds=seconds)
        self._changed = changed
        self._review: Review | None = None
        self.is_held = False
        self.since: datetime | None = None

    @property
    def deadline(self) -> datetime | None:
        """When the order is declined."""
        return self.since + self._deadline if self.since else None

    @property
    def is_awaited(self) -> bool:
        return self.is_held and self._review is None

    def decide(self, review: Review) -> None:
        self._review = review

    async def wait(self) -> Review:
        """Wait for the decision. Raises Abandoned once the saga is cancelled."""
        self.is_held, self.since = True, workflow.now()
        self._changed()
        try:
            await workflow.wait_condition(
                lambda: self._review is not None or self._saga.cancel_reason is not None,
                timeout=self._deadline,
                timeout_summary="deadline to approve or decline a possible fraud",
            )
        except TimeoutError:
            self._review = Review(decision=Decision.DECLINE, note=f"nobody decided within {self._deadline}")
        self.is_held = False
        self._saga.stop_if_cancelled()
        assert self._review is not None
        return self._review
