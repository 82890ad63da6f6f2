"""`python -m activities` finds what would keep a worker from hosting a service, before an order does."""

from dataclasses import replace
from pathlib import Path

from temporalio import activity

from activities import ServiceActivities, activities_of
from activities.check import problems, problems_of
from activities.payments import Payments
from kernel.contracts import Undo, Undone
from kernel.service import Service
from services import SERVICES
from services.payments.contracts import ChargeCard, Charged, PaymentsPort
from services.payments.declaration import PAYMENTS


class _ForgotARefund(ServiceActivities[PaymentsPort]):
    declaration = PAYMENTS

    @activity.defn(name="payments.charge", no_thread_cancel_exception=True)
    def charge(self, command: ChargeCard) -> Charged:
        return self._service.charge(command)


class _Interrupted(ServiceActivities[PaymentsPort]):
    declaration = PAYMENTS

    @activity.defn(name="payments.charge", no_thread_cancel_exception=True)
    def charge(self, command: ChargeCard) -> Charged:
        return self._service.charge(command)

    @activity.defn(name="payments.refund")
    def refund(self, command: Undo) -> Undone:
        return self._service.refund(command)


class _Misnamed(ServiceActivities[PaymentsPort]):
    declaration = PAYMENTS

    def charge(self, command: ChargeCard) -> Charged:
        return self._service.charge(command)

    @activity.defn(name="payment.refund")
    def refund(self, command: Undo) -> Undone:
        return self._service.refund(command)

    @activity.defn(name="payments.gamble")
    def gamble(self, command: Undo) -> Undone:
        return self._service.refund(command)


def test_every_service_is_hosted_and_nothing_else() -> None:
    assert problems(SERVICES) == []


def test_an_operation_without_an_activity_is_named() -> None:
    assert list(problems_of(_ForgotARefund)) == [
        "payments: refund is declared, but _ForgotARefund has no such activity"
    ]


def test_an_activity_into_whose_thread_a_cancellation_may_be_thrown_is_named() -> None:
    assert list(problems_of(_Interrupted)) == ["payments: _Interrupted.refund needs no_thread_cancel_exception=True"]


def test_an_activity_of_another_name_or_of_no_operation_is_named() -> None:
    assert list(problems_of(_Misnamed)) == [
        "payments: _Misnamed.charge lacks @activity.defn(name='payments.charge')",
        "payments: _Misnamed.refund is the activity payment.refund; it must be payments.refund",
        "payments: _Misnamed.gamble is not an operation that the service declares",
    ]


def test_a_service_without_activities_is_named() -> None:
    lottery: Service[PaymentsPort] = replace(PAYMENTS, name="lottery")
    assert problems([*SERVICES, lottery]) == [
        "lottery: activities.lottery is missing",
        "lottery: SERVICES has this service, but the folder services/lottery is missing",
    ]


def test_activities_of_no_service_are_named() -> None:
    assert problems([one for one in SERVICES if one is not PAYMENTS]) == [
        "activities.payments: Payments belongs to no declared service",
        "payments: the folder services/payments exists, but SERVICES has no service of that name",
    ]


def test_a_folder_that_nobody_declares_is_named(tmp_path: Path) -> None:
    for name in (*(service.name for service in SERVICES), "lottery"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "declaration.py").touch()
    assert problems(SERVICES, tmp_path) == [
        "lottery: the folder services/lottery exists, but SERVICES has no service of that name"
    ]


def test_a_service_gets_its_own_activities() -> None:
    class Port:
        def charge(self, command: ChargeCard) -> Charged:
            raise NotImplementedError

        def refund(self, command: Undo) -> Undone:
            raise NotImplementedError

    hosted = activities_of(PAYMENTS, Port())
    assert isinstance(hosted, Payments)
    assert [one.__name__ for one in hosted.all()] == ["charge", "refund"]
