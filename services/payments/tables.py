from sqlalchemy import BigInteger, Column, MetaData, String, Table

metadata = MetaData()

# This service's record of an order's money, in minor units; the processor's ledger is the proof.
payments = Table(
    "payments",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("charge_id", String(64), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("refunded", BigInteger, nullable=False),
)
