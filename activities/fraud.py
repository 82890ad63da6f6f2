from temporalio import activity

from services.fraud.contracts import DecideOnFraud, FraudDecided, FraudPort, Screened, ScreenOrder


class Fraud:
    def __init__(self, service: FraudPort) -> None:
        self._service = service

    @activity.defn(name="fraud.screen")
    def screen(self, command: ScreenOrder) -> Screened:
        return self._service.screen(command)

    @activity.defn(name="fraud.decide")
    def decide(self, command: DecideOnFraud) -> FraudDecided:
        return self._service.decide(command)
