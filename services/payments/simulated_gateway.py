"""A simulated card processor, with its own ledger, idempotency keys, and Stripe's test tokens."""

import hashlib
from collections.abc import Iterator, Sequence

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, insert, select, update

from kernel.books import index_by_order, is_of
from kernel.database import Database
from kernel.money import Money
from services.payments.contracts import CardDeclined, ChargeRecord, Decline

# https://docs.stripe.com/testing lists these tokens and what each card does.
APPROVED = {"tok_visa", "tok_visa_debit", "tok_mastercard", "tok_amex", "tok_discover", "tok_diners", "tok_jcb"}
DECLINED = {
    "tok_chargeDeclined": Decline.DECLINED,
    "tok_chargeDeclinedInsufficientFunds": Decline.NO_FUNDS,
    "tok_chargeDeclinedExpiredCard": Decline.EXPIRED,
    "tok_chargeDeclinedIncorrectCvc": Decline.WRONG_CODE,
    "tok_chargeDeclinedFraudulent": Decline.FRAUDULENT,
    "tok_chargeDeclinedProcessingError": Decline.NOT_PROCESSED,
}

CHARGED, REFUSED, REFUNDED, REVERSED = "charged", "refused", "refunded", "reversed"

_metadata = MetaData()
ledger = Table(
    "ledger",
    _metadata,
    Column("key", String(200), primary_key=True, comment="the merchant's idempotency key"),
    Column("state", String(10), nullable=False, comment="charged, refused, refunded, or reversed before any charge"),
    Column("charge_id", String(64), nullable=False),
    Column("amount", BigInteger, nullable=False, comment="minor units charged"),
    Column("refunded", BigInteger, nullable=False, comment="minor units given back"),
    Column("currency", String(3), nullable=False),
    Column("payment_token", String(100), nullable=False),
    Column("message", String(200), nullable=False),
)


class SimulatedGateway:
    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self) -> None:
        """Create the ledger, if it does not exist."""

        def make(tx: Connection) -> None:
            _metadata.create_all(tx)
            index_by_order(tx, ledger.c.key, self._database)

        self._database.alone(make)

    def charge(self, key: str, amount: Money, payment_token: str) -> str:
        with self._database.begin() as tx:
            first = tx.execute(select(ledger).where(ledger.c.key == key)).one_or_none()
            if first is None:
                message = _refusal_of(payment_token)
                charge_id = "" if message else _charge_id(key)
                charged = 0 if message else amount.amount
                row = {"key": key, "state": REFUSED if message else CHARGED, "charge_id": charge_id}
                row |= {"currency": amount.currency, "payment_token": payment_token, "message": message}
                tx.execute(insert(ledger), row | {"amount": charged, "refunded": 0})
            elif first.state in (REFUNDED, REVERSED):
                raise CardDeclined(why=Decline.REVERSED)
            elif (first.payment_token, first.currency) != (payment_token, amount.currency) or (
                first.amount not in (0, amount.amount)
            ):
                raise CardDeclined(why=Decline.KEY_REUSED)
            else:
                message, charge_id = first.message, first.charge_id
        if message:
            raise CardDeclined(why=_decline(message))
        return charge_id

    def reverse(self, key: str) -> None:
        with self._database.begin() as tx:
            first = tx.execute(select(ledger).where(ledger.c.key == key).with_for_update()).one_or_none()
            if first is None:
                row = {"key": key, "state": REVERSED, "charge_id": "", "currency": "", "payment_token": ""}
                tx.execute(insert(ledger), row | {"amount": 0, "refunded": 0, "message": "reversed before any charge"})
            elif first.state == CHARGED:
                refund = update(ledger).where(ledger.c.key == key)
                tx.execute(refund.values(state=REFUNDED, refunded=ledger.c.amount))

    def charges(self, orders: Sequence[str] | None = None) -> Iterator[ChargeRecord]:
        made = ledger.c.state.in_((CHARGED, REFUNDED)) | (ledger.c.amount != 0) | (ledger.c.refunded != 0)
        if orders is not None:
            made &= is_of(orders, ledger.c.key, self._database)
        with self._database.begin() as tx:
            for row in tx.execution_options(yield_per=500).execute(select(ledger).where(made)):
                amount = Money(amount=row.amount, currency=row.currency)
                yield ChargeRecord(key=row.key, charge_id=row.charge_id, amount=amount, refunded=row.refunded)


def _refusal_of(payment_token: str) -> str:
    if payment_token in APPROVED:
        return ""
    return DECLINED.get(payment_token, Decline.UNKNOWN_CARD)


def _decline(message: str) -> Decline:
    # Ledgers of earlier releases have other texts, "no such token ...".
    return Decline(message) if message in set(Decline) else Decline.UNKNOWN_CARD


def _charge_id(key: str) -> str:
    return "ch_" + hashlib.sha256(key.encode()).hexdigest()[:24]
