"""The orders service's activities."""

from temporalio import activity

from activities import ServiceActivities
from kernel.contracts import Undo, Undone
from services.orders.contracts import (
    Adjustment,
    AdjustOrder,
    Completed,
    CompleteOrder,
    Created,
    CreateOrder,
    Flagged,
    FlagOrder,
    OrdersPort,
)
from services.orders.declaration import ORDERS


class Orders(ServiceActivities[OrdersPort]):
    declaration = ORDERS

    @activity.defn(name="orders.create", no_thread_cancel_exception=True)
    def create(self, command: CreateOrder) -> Created:
        return self._service.create(command)

    @activity.defn(name="orders.complete", no_thread_cancel_exception=True)
    def complete(self, command: CompleteOrder) -> Completed:
        return self._service.complete(command)

    @activity.defn(name="orders.reject", no_thread_cancel_exception=True)
    def reject(self, command: Undo) -> Undone:
        return self._service.reject(command)

    @activity.defn(name="orders.cancel", no_thread_cancel_exception=True)
    def cancel(self, command: Undo) -> Undone:
        return self._service.cancel(command)

    @activity.defn(name="orders.withhold", no_thread_cancel_exception=True)
    def withhold(self, command: Undo) -> Undone:
        return self._service.withhold(command)

    @activity.defn(name="orders.adjust", no_thread_cancel_exception=True)
    def adjust(self, command: AdjustOrder) -> Adjustment:
        return self._service.adjust(command)

    @activity.defn(name="orders.flag", no_thread_cancel_exception=True)
    def flag(self, command: FlagOrder) -> Flagged:
        return self._service.flag(command)
