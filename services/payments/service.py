"""The rules of payments: a card is charged once for an order, and what was charged can be given back.

The processor is asked outside of any transaction, and first: its idempotency key makes a repeat harmless, so a process
that dies between its answer and our record is simply asked again.
"""

from sqlalchemy import Connection, insert, update

from services.contracts import Undo, Undone
from services.database import Database
from services.operations import Clock, Operations, system_clock
from services.payments.contracts import CardDeclined, ChargeCard, PaymentDeclined, PaymentGateway, PaymentProcessed
from services.payments.tables import PaymentRow


class Payments:
    def __init__(self, database: Database, gateway: PaymentGateway, clock: Clock = system_clock) -> None:
        self._operations = Operations(database, clock)
        self._gateway = gateway

    def charge(self, command: ChargeCard) -> PaymentProcessed:
        """Charge the card. Raises PaymentDeclined."""
        answered = self._operations.first_answer(command, PaymentProcessed)
        if answered:
            return answered
        try:
            charge_id, declined = self._gateway.charge(command.key, command.amount, command.payment_token), ""
        except CardDeclined as refusal:
            charge_id, declined = "", str(refusal)

        def effect(tx: Connection) -> PaymentProcessed:
            if declined:
                raise PaymentDeclined(declined)
            row = {"order_id": command.order_id, "charge_id": charge_id, "refunded": 0}
            tx.execute(insert(PaymentRow), row | {"amount": command.amount.amount, "currency": command.amount.currency})
            return PaymentProcessed(charge_id=charge_id)

        return self._operations.do(command, PaymentProcessed, effect)

    def refund(self, command: Undo) -> Undone:
        """Give back what was charged, also when only the processor knows that it was."""
        self._gateway.reverse(command.key)

        def effect(tx: Connection) -> None:
            of_order = PaymentRow.order_id == command.order_id
            tx.execute(update(PaymentRow).where(of_order).values(refunded=PaymentRow.amount))

        return self._operations.undo(command, effect)
