"""The fraud service's activities."""

from temporalio import activity

from activities import ServiceActivities
from services.fraud.contracts import DecideOnFraud, FraudDecided, FraudPort, Screened, ScreenOrder
from services.fraud.declaration import FRAUD


class Fraud(ServiceActivities[FraudPort]):
    declaration = FRAUD

    @activity.defn(name="fraud.screen", no_thread_cancel_exception=True)
    def screen(self, command: ScreenOrder) -> Screened:
        return self._service.screen(command)

    @activity.defn(name="fraud.decide", no_thread_cancel_exception=True)
    def decide(self, command: DecideOnFraud) -> FraudDecided:
        return self._service.decide(command)
