"""The payments service's activities."""

from temporalio import activity

from activities import ServiceActivities
from kernel.contracts import Undo, Undone
from services.payments.contracts import ChargeCard, Charged, PaymentsPort
from services.payments.declaration import PAYMENTS


class Payments(ServiceActivities[PaymentsPort]):
    declaration = PAYMENTS

    @activity.defn(name="payments.charge", no_thread_cancel_exception=True)
    def charge(self, command: ChargeCard) -> Charged:
        return self._service.charge(command)

    @activity.defn(name="payments.refund", no_thread_cancel_exception=True)
    def refund(self, command: Undo) -> Undone:
        return self._service.refund(command)
