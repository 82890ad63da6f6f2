"""The books of payments, beside the card processor's statement."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import select

from kernel.books import Books, Finding, OrderRecord, effects, orders_on_record, otherwise_published, published
from kernel.database import Database
from kernel.keys import Key
from kernel.money import Money
from services.payments.contracts import ChargeRecord, PaymentGateway
from services.payments.events import PaymentProcessed, PaymentRefunded
from services.payments.tables import payments


class PaymentsBooks(Books):
    """Attributes: charges: by order, the charges on the processor's statement, which is the proof."""

    def __init__(self, database: Database, gateway: PaymentGateway, orders: Sequence[str]) -> None:
        self._database, self._gateway = database, gateway
        with database.begin() as tx:
            self._charged = effects(tx, "charge", orders)
            self._processed = published(tx, PaymentProcessed, orders)
            self._given_back = published(tx, PaymentRefunded, orders)
            self._recorded = {
                row.order_id: ChargeRecord(
                    key=str(Key(row.order_id, "charge")),
                    charge_id=row.charge_id,
                    amount=Money(amount=row.amount, currency=row.currency),
                    refunded=row.refunded,
                )
                for row in tx.execute(select(payments).where(payments.c.order_id.in_(orders)))
            }
        charges: defaultdict[str, list[ChargeRecord]] = defaultdict(list)
        for charge in gateway.charges(orders):
            charges[Key.parse(charge.key).order_id].append(charge)
        self.charges = dict(charges)

    def orders(self, since: int = 0) -> Iterator[str]:
        yield from orders_on_record(self._database, since)
        if not since:  # the statement has no times, so charges cannot be filtered
            yield from (Key.parse(charge.key).order_id for charge in self._gateway.charges())

    def contradictions(self, order_id: str) -> Iterator[Finding]:
        recorded = self._recorded.get(order_id)
        stands = recorded is not None and not recorded.refunded
        yield from self._charged.contradictions(order_id, on_record=recorded is not None, stands=stands)
        if recorded is None:
            return
        for event in self._processed.get(order_id, []):
            yield from otherwise_published(
                "charge", (recorded.charge_id, recorded.amount), (event.charge_id, event.amount)
            )
        for refund in self._given_back.get(order_id, []):
            given = refund.amount.amount if refund.amount else 0
            yield from otherwise_published("refund", recorded.refunded, given)

    def disagreements(self, order_id: str, order: OrderRecord | None) -> Iterator[Finding]:
        recorded = self._recorded.get(order_id)
        if recorded and order and order.refunded_outside:
            recorded = recorded.model_copy(update={"refunded": recorded.refunded + order.refunded_outside})
        charges = self.charges.get(order_id, [])
        # A charge whose reply was lost, and which was then refunded, has no record here.
        known = [charge for charge in charges if charge == recorded or charge.refunded != charge.amount.amount]
        if known != ([recorded] if recorded else []):
            ours = f"{recorded.amount}, refunded {recorded.refunded}" if recorded else "nothing"
            yield Finding("payments agree with the processor", f"recorded {ours}; ledger: {_sums(charges)}")

    def missing(self, order_id: str, order: OrderRecord) -> Iterator[Finding]:
        charges = self.charges.get(order_id, [])
        if [(charge.amount, charge.refunded) for charge in charges] != [(order.total, order.refunded_outside)]:
            noted = f", noted as refunded {order.refunded_outside}" if order.refunded_outside else ""
            yield Finding("completed: charged once in full", f"total {order.total}{noted}, ledger: {_sums(charges)}")

    def kept(self, order_id: str) -> Iterator[Finding]:
        charges = self.charges.get(order_id, [])
        if any(charge.refunded != charge.amount.amount for charge in charges):
            yield Finding("no money kept", _sums(charges))


def _sums(charges: list[ChargeRecord]) -> str:
    return "; ".join(f"charged {charge.amount}, refunded {charge.refunded}" for charge in charges) or "charged nothing"
