from sqlalchemy import Column, Integer, MetaData, String, Table

metadata = MetaData()

# The orders that have their paper on; the row goes when the paper comes off.
wrappings = Table(
    "wrappings",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("pieces", Integer, nullable=False),
)
