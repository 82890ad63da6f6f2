"""An order, orchestrated: five services, each step beside its undo."""

from temporalio import workflow
from temporalio.exceptions import CancelledError

with workflow.unsafe.imports_passed_through():
    import workflows.commands as commands
    import workflows.update_checks as update_checks
    from activities.fraud import Fraud
    from activities.inventory import Inventory
    from activities.orders import Orders
    from activities.payments import Payments
    from activities.shipping import Shipping
    from client.contracts import OrderState, Resolution, Review, Stage
    from kernel.contracts import Steps
    from kernel.money import Money
    from services.fraud.contracts import (
        DECLINED_IN_REVIEW,
        DecideOnFraud,
        Decision,
        FraudDecided,
        Screened,
        Verdict,
    )
    from services.orders.contracts import OrderEnded, OrderStatus
    from workflows.compensation import Abandoned
    from workflows.contracts import WORKFLOW, CancelRequest, PlaceOrder
    from workflows.fraud_review import FraudReview
    from workflows.required_actions import Settled
    from workflows.saga import Saga
    from workflows.steps import Step
    from workflows.visibility import Visibility


@workflow.defn(name=WORKFLOW)
class OrderSaga:
    @workflow.init
    def __init__(self, place: PlaceOrder) -> None:
        self._place, self._order = place, place.order
        # A worker older than the client that placed the order does not know the field, and uses the queue.
        in_place = place.steps is Steps.IN_PLACE and workflow.patched("steps in place")
        steps = Steps.IN_PLACE if in_place else Steps.QUEUE
        self._saga = Saga(place.order.order_id, place.policy, steps, place.again, self._changed, self._problems_changed)
        self._visibility = Visibility()
        self._ended: OrderStatus | None = None
        self._reason, self._tracking_number = "", ""
        self._total: Money | None = None
        self._flags = 0
        self._review = FraudReview(self._saga, place.policy.review_deadline, self._changed)

    @workflow.run
    async def run(self, place: PlaceOrder) -> OrderState:
        state = await self._saga.run(self._story())
        if workflow.cancellation_reason() is not None and state.status is OrderStatus.CANCELLED:
            raise CancelledError(state.reason)  # cancelled through Temporal: end with Temporal's status
        return state

    async def _story(self) -> OrderState:
        saga, order = self._saga, self._order
        create = saga.on(Orders).step(
            Orders.create, undo=Orders.reject, on_cancel=Orders.cancel, local=True, ended=OrderEnded
        )
        screen = saga.on(Fraud).step(Fraud.screen)
        decide = saga.on(Fraud).step(Fraud.decide)
        reserve = saga.on(Inventory).step(Inventory.reserve, undo=Inventory.release)
        charge = saga.on(Payments).step(Payments.charge, undo=Payments.refund)
        ship = saga.on(Shipping).step(Shipping.ship, undo=Shipping.cancel, holds_back=True)
        saga.on(Orders).past_pivot(Orders.complete, prevent=Orders.withhold)
        try:
            created = await create(commands.create(self._place, workflow.info().first_execution_run_id))
            self._total = total = created.total
            screened, _ = await saga.side_by_side(
                screen(commands.screen(order, total)),
                reserve(commands.reserve(order)),
            )
            await self._clear_of_fraud(screened, decide)
            await charge(commands.charge(order, total))
            shipped = await ship(commands.ship(order))
            end = await self._complete(shipped.tracking_number)
        except Abandoned as cause:
            self._reason = cause.reason
            end = OrderStatus.CANCELLED if cause.cancelled else OrderStatus.REJECTED
            if not await saga.compensate(cause):  # the parcel cannot be called back; a repeat returns the first answer
                booked = await saga.on(Shipping).forward(Shipping.ship, commands.ship(order))
                end = await self._complete(booked.tracking_number if booked else "", after_all=True)
        if saga.follows_another_run:
            self._problems_changed(None)  # the earlier run may have left a problem on record
        await saga.all_notified()
        self._ended = end
        self._changed()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.state()

    async def _complete(self, tracking_number: str, *, after_all: bool = False) -> OrderStatus:
        self._saga.pivot()
        self._reason, self._tracking_number = "", tracking_number
        complete = commands.complete(self._order, after_all=after_all)
        await self._saga.on(Orders).forward(Orders.complete, complete, local=True)
        return OrderStatus.COMPLETED

    async def _clear_of_fraud(self, screened: Screened, decide: Step[Fraud, DecideOnFraud, FraudDecided]) -> None:
        """Hold a possible fraud until a person decides; at the deadline it is declined."""
        if screened.verdict is Verdict.CLEAR:
            return
        self._reason = f"PossibleFraud: {', '.join(screened.rules)} (score {screened.score})"
        review = await self._review.wait()
        await decide(commands.decide(self._order, review))
        if review.decision is Decision.DECLINE:
            raise Abandoned(": ".join(filter(None, [DECLINED_IN_REVIEW, review.note])), actor=review.actor)
        self._reason = ""

    def _changed(self) -> None:
        self._visibility.changed(self.state())

    def _problems_changed(self, settled: Settled | None) -> None:
        """Record with the order what needs an operator, and its end if that was settled by hand."""
        state = self.state()
        self._visibility.index(state)
        # A time, so that it is also later than the flags of an earlier run of this order.
        self._flags = max(self._flags + 1, int(workflow.now().timestamp() * 1000))
        self._saga.on(Orders).notify(Orders.flag, commands.flag(self._order, state, settled, self._flags))

    @workflow.query
    def state(self) -> OrderState:
        """The order's state, with each step done and undone."""
        problems = tuple(f"{step}: {problem}" for step, problem in self._saga.problems.items())
        return OrderState(
            order_id=self._order.order_id,
            status=self._ended or (OrderStatus.NEEDS_ATTENTION if problems else OrderStatus.IN_PROGRESS),
            stage=Stage.ENDED if self._ended else Stage.REVIEW if self._review.is_held else self._saga.stage,
            reason=self._reason,
            total=self._total,
            tracking_number=self._tracking_number,
            problems=problems,
            steps=self._saga.reports,
            since=self._review.since if self._review.is_held else self._saga.stuck_since,
            deadline=self._review.deadline if self._review.is_held else None,
        )

    @workflow.update
    async def cancel(self, request: CancelRequest) -> None:
        """Cancel the order; what was done is undone."""
        reason = ": ".join(filter(None, ["Cancelled by the customer", request.reason]))
        self._saga.cancel(reason, request.actor)

    @cancel.validator
    def _can_cancel(self, request: CancelRequest) -> None:
        update_checks.can_cancel(self._saga, request, self._reason)

    @workflow.update
    async def review(self, review: Review) -> None:
        """Approve or decline an order that is held as a possible fraud."""
        self._review.decide(review)

    @review.validator
    def _can_review(self, review: Review) -> None:
        update_checks.can_review(review, held=self._review.is_awaited)

    @workflow.update
    async def resolve(self, resolution: Resolution) -> None:
        """Apply an operator's decision to an order that needs attention."""
        self._saga.resolve(resolution)

    @resolve.validator
    def _can_resolve(self, resolution: Resolution) -> None:
        update_checks.can_resolve(self._saga, resolution)
