from sqlalchemy import Column, MetaData, String, Table

metadata = MetaData()

# This service's record of an order's parcel; the courier's records are the proof.
shipments = Table(
    "shipments",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("tracking_number", String(64), nullable=False),
    Column("status", String(20), nullable=False, comment="booked or cancelled"),
)
