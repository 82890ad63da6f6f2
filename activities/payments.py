from temporalio import activity

from services.contracts import Undo, Undone
from services.payments.contracts import ChargeCard, Charged, PaymentsPort


class Payments:
    def __init__(self, service: PaymentsPort) -> None:
        self._service = service

    @activity.defn(name="payments.charge")
    def charge(self, command: ChargeCard) -> Charged:
        return self._service.charge(command)

    @activity.defn(name="payments.refund")
    def refund(self, command: Undo) -> Undone:
        return self._service.refund(command)
