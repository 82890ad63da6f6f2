from sqlalchemy import CheckConstraint, Column, Integer, MetaData, String, Table

metadata = MetaData()

# Pieces of a product: all that were ever received, and those still free to be reserved.
stock = Table(
    "stock",
    metadata,
    Column("sku", String(100), primary_key=True),
    Column("received", Integer, nullable=False),
    Column("on_hand", Integer, nullable=False),
    CheckConstraint("on_hand >= 0", name="ck_stock_on_hand"),
)

# Pieces taken off the shelf for an order: held until the parcel leaves, and then shipped.
reservations = Table(
    "reservations",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("sku", String(100), primary_key=True),
    Column("quantity", Integer, nullable=False),
)
