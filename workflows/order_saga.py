"""An order, orchestrated: five services, each step beside its undo."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

with workflow.unsafe.imports_passed_through():
    import workflows.commands as commands
    from activities.fraud import Fraud
    from activities.inventory import Inventory
    from activities.orders import Orders
    from activities.payments import Payments
    from activities.shipping import Shipping
    from client.contracts import OrderState, Resolution, ResolveBy, Review, Stage
    from kernel.money import Money
    from services.fraud.contracts import DECLINED_IN_REVIEW, Decision, Screened, Verdict
    from services.orders.contracts import OrderStatus
    from workflows.contracts import ORDER_REASON, ORDER_STAGE, ORDER_STATUS, WORKFLOW, CancelRequest, PlaceOrder
    from workflows.saga import Abandoned, Saga


@workflow.defn(name=WORKFLOW)
class OrderSaga:
    @workflow.init
    def __init__(self, place: PlaceOrder) -> None:
        self._order = place.order
        self._policy = place.policy
        self._saga = Saga(place.order.order_id, place.policy, self._changed, self._attention)
        self._status, self._stage, self._reason = OrderStatus.IN_PROGRESS, Stage.PROCESSING, ""
        self._total: Money | None = None
        self._tracking_number = ""
        self._held = False
        self._review: Review | None = None

    @workflow.run
    async def run(self, place: PlaceOrder) -> OrderState:
        state = await self._saga.run(self._story())
        if workflow.cancellation_reason() is not None and state.status is OrderStatus.CANCELLED:
            raise CancelledError(state.reason)  # who cancels in Temporal's way sees Temporal's status
        return state

    async def _story(self) -> OrderState:
        saga, order = self._saga, self._order
        try:
            created = await saga.step(
                Orders.create, commands.create(order), undo=Orders.reject, on_cancel=Orders.cancel, local=True
            )
            self._total = total = created.total
            screened, _ = await saga.side_by_side(
                saga.step(Fraud.screen, commands.screen(order, total)),
                saga.step(Inventory.reserve, commands.reserve(order), undo=Inventory.release),
            )
            await self._clear_of_fraud(screened)
            await saga.step(Payments.charge, commands.charge(order, total), undo=Payments.refund)
            shipped = await saga.step(Shipping.ship, commands.ship(order), undo=Shipping.cancel)
            saga.pivot()
            self._tracking_number = shipped.tracking_number
            await saga.forward(Orders.complete, commands.complete(order), local=True)
            self._status = OrderStatus.COMPLETED
        except Abandoned as cause:
            self._to(Stage.UNDOING, cause.reason)
            await saga.compensate(cause)
            self._status = OrderStatus.CANCELLED if cause.cancelled else OrderStatus.REJECTED
        await saga.all_told()
        self._to(Stage.ENDED, self._reason)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.state()

    async def _clear_of_fraud(self, screened: Screened) -> None:
        """Hold a possible fraud until a person decides; the deadline declines."""
        if screened.verdict is Verdict.CLEAR:
            return
        self._held = True
        self._to(Stage.REVIEW, f"PossibleFraud: {', '.join(screened.rules)} (score {screened.score})")
        deadline = timedelta(seconds=self._policy.review_deadline)
        try:
            await workflow.wait_condition(
                lambda: self._review is not None or self._saga.cancel_reason is not None,
                timeout=deadline,
                timeout_summary="deadline to approve or decline a possible fraud",
            )
        except TimeoutError:
            self._review = Review(decision=Decision.DECLINE, note=f"nobody decided within {deadline}")
        self._held = False
        self._saga.stop_if_cancelled()
        self._to(Stage.PROCESSING, self._reason)
        assert self._review is not None
        await self._saga.step(Fraud.decide, commands.decide(self._order, self._review))
        if self._review.decision is Decision.DECLINE:
            raise Abandoned(": ".join(filter(None, [DECLINED_IN_REVIEW, self._review.note])))
        self._reason = ""

    def _attention(self, settled: str) -> None:
        """The problems that need an operator have changed; the order's own record shows them too."""
        problems = "; ".join(f"{step}: {problem}" for step, problem in self._saga.problems.items())
        self._status = OrderStatus.NEEDS_ATTENTION if problems else OrderStatus.IN_PROGRESS
        self._to(self._stage, self._reason)
        self._saga.tell(Orders.flag, commands.flag(self._order, problems, settled))

    def _changed(self) -> None:
        if self._saga.waits_for_operator:
            stage = Stage.ATTENTION
        elif self._stage is Stage.ATTENTION:
            stage = Stage.UNDOING if self._saga.undoing else Stage.PROCESSING
        else:
            stage = self._stage
        if stage is not self._stage:
            self._to(stage, self._reason)
        self._show()

    def _to(self, stage: Stage, reason: str) -> None:
        self._stage, self._reason = stage, reason
        # A keyword holds 255 characters at most on some stores.
        workflow.upsert_search_attributes(
            [
                ORDER_STATUS.value_set(self._status),
                ORDER_STAGE.value_set(stage),
                ORDER_REASON.value_set(reason.partition(":")[0][:255]),
            ]
        )
        self._show()

    def _show(self) -> None:
        """What the Temporal UI shows as the workflow's current details, in Markdown."""
        lines = [f"**{self._status}** {self._reason}".strip(), ""]
        lines += [f"- `{r.step}` {r.state}{': ' if r.detail else ''}{r.detail}" for r in self._saga.reports]
        workflow.set_current_details("\n".join(lines))

    @workflow.query
    def state(self) -> OrderState:
        """Where the order stands, with each step done and undone."""
        return OrderState(
            order_id=self._order.order_id,
            status=self._status,
            stage=self._stage,
            reason=self._reason,
            total=self._total,
            tracking_number=self._tracking_number,
            problems=tuple(f"{step}: {problem}" for step, problem in self._saga.problems.items()),
            steps=self._saga.reports,
        )

    @workflow.update
    async def cancel(self, request: CancelRequest) -> None:
        """Cancel the order for its customer; what was done is undone."""
        self._can_cancel(request)
        self._saga.cancel(": ".join(filter(None, ["Cancelled by the customer", request.reason])))

    @cancel.validator
    def _can_cancel(self, request: CancelRequest) -> None:
        if self._saga.past_pivot:
            raise _not_now("TooLate", "it is too late to cancel: the parcel is on its way")
        if self._saga.undoing and self._saga.cancel_reason is None:
            raise _not_now("TooLate", f"it is too late to cancel: the order is being undone already ({self._reason})")

    @workflow.update
    async def review(self, review: Review) -> None:
        """A person's decision on an order held as a possible fraud."""
        self._can_review(review)
        self._review = review

    @review.validator
    def _can_review(self, review: Review) -> None:
        if not self._held or self._review is not None:
            raise _not_now("NotHeld", "the order is not held for review")

    @workflow.update
    async def resolve(self, resolution: Resolution) -> None:
        """An operator's way out of needs-attention."""
        self._can_resolve(resolution)
        self._saga.resolve(resolution)

    @resolve.validator
    def _can_resolve(self, resolution: Resolution) -> None:
        if not self._saga.problems:
            raise _not_now("NoProblem", "the order does not need attention")
        if not self._saga.waits_for_operator:
            raise _not_now("NotYet", "something of it is still being tried; look at the order again in a moment")
        if resolution.step and resolution.step not in self._saga.problems:
            raise _not_now("NoSuchProblem", f"{resolution.step} is not stuck; {', '.join(self._saga.problems)} is")
        if resolution.decision is ResolveBy.RESOLVED and not resolution.note.strip():
            raise _not_now("NoteMissing", "say in a note how it was settled by hand")


def _not_now(type: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=type, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
