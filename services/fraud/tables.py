from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

# One order's screening, and what a person decided on it.
screenings = Table(
    "screenings",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("customer_id", String(100), nullable=False),
    Column("country", String(2), nullable=False),
    Column("score", Integer, nullable=False),
    Column("rules", Text, nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("decision", String(20), nullable=False, comment="empty until a person or the deadline decides"),
    Column("screened_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Index("ix_screenings_velocity", "customer_id", "screened_at"),
    Index("ix_screenings_country", "customer_id", "country"),
)
