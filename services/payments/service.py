"""The rules of payments: a card is charged once for an order, and a charge can be refunded.

The processor is called before the transaction, not in it. If the process dies between the processor's answer and our
record, the retry calls the processor again, which is harmless under the same idempotency key.
"""

from sqlalchemy import Connection, insert, select, update

from kernel.contracts import Undo, Undone
from kernel.database import Database
from kernel.money import Money
from kernel.operations import Clock, Operations, system_clock
from kernel.providers import asking
from services.payments.contracts import CardDeclined, ChargeCard, Charged, PaymentDeclined, PaymentGateway
from services.payments.events import PaymentFailed, PaymentProcessed, PaymentRefunded
from services.payments.tables import payments


class Payments:
    def __init__(self, database: Database, gateway: PaymentGateway, clock: Clock = system_clock) -> None:
        self._operations = Operations(database, clock)
        self._gateway = gateway

    def charge(self, command: ChargeCard) -> Charged:
        """Charge the card. Raises PaymentDeclined."""

        def ask() -> str:
            try:
                with asking("the card processor", CardDeclined):
                    return self._gateway.charge(command.key, command.amount, command.payment_token)
            except CardDeclined as declined:
                raise PaymentDeclined(declined.why.value) from None

        def effect(tx: Connection, charge_id: str) -> tuple[Charged, PaymentProcessed]:
            row = {"order_id": command.order_id, "charge_id": charge_id, "refunded": 0}
            tx.execute(insert(payments), row | {"amount": command.amount.amount, "currency": command.amount.currency})
            return Charged(charge_id=charge_id), PaymentProcessed(charge_id=charge_id, amount=command.amount)

        return self._operations.ask_then_do(command, Charged, ask, effect, refused=PaymentFailed)

    def refund(self, command: Undo) -> Undone:
        """Refund the charge, even if only the processor has a record of it."""
        with asking("the card processor"):
            self._gateway.reverse(command.key)

        def effect(tx: Connection) -> PaymentRefunded:
            of_order = payments.c.order_id == command.order_id
            tx.execute(update(payments).where(of_order).values(refunded=payments.c.amount))
            paid = tx.execute(select(payments.c.amount, payments.c.currency).where(of_order)).one()
            return PaymentRefunded(had_effect=True, amount=Money(amount=paid.amount, currency=paid.currency))

        return self._operations.undo(command, effect, otherwise=PaymentRefunded(had_effect=False))
