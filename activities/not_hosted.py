"""Stands in for the orders service in a process that runs the saga alone."""

from typing import NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities import ServiceActivities
from services.orders.contracts import Completed, CompleteOrder, Created, CreateOrder


class NotHosted(ServiceActivities[None]):
    """Answers the saga's local attempts, so that they go on to the workers of the orders service."""

    def __init__(self) -> None:
        super().__init__(None)

    @activity.defn(name="orders.create")
    def create(self, command: CreateOrder) -> Created:
        _pass_on()

    @activity.defn(name="orders.complete")
    def complete(self, command: CompleteOrder) -> Completed:
        _pass_on()


def _pass_on() -> NoReturn:
    raise ApplicationError(
        "the orders service has workers of its own", type="NotHosted", category=ApplicationErrorCategory.BENIGN
    )
