from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text, literal_column, text

metadata = MetaData()

_FLAGGED = text("problem <> ''")

# The catalogue. Prices are in minor units.
products = Table(
    "products",
    metadata,
    Column("sku", String(100), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("unit_price", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("customer_id", String(100), nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", Text, nullable=False, comment="why it was rejected or cancelled"),
    Column("problem", Text, nullable=False, comment="what an operator must settle; empty when nothing"),
    Column("settled", Text, nullable=False, comment="what an operator settled by hand"),
    Column(
        "style",
        String(20),
        nullable=False,
        server_default="orchestration",
        comment="who decides what happens next to it",
    ),
    Column("total", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("ship_to", Text, nullable=False, comment="JSON"),
    Column("placed_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("policy", Text, comment="JSON; null if it has none of its own, and before release 0.2"),
    Column("placed", Text, comment="what the customer gave, as JSON; null before release 0.2"),
    Column("adjusted", Text, comment="JSON; null if nothing was settled outside"),
    Column("flag_sequence", BigInteger, nullable=False, server_default="0", comment="of the latest flag"),
    Index("ix_orders_placed_at", "style", "placed_at"),
    Index("ix_orders_status", "status", "style", "placed_at"),
    Index("ix_orders_flagged", "style", "placed_at", sqlite_where=_FLAGGED, postgresql_where=_FLAGGED),
)

# Without a parameter, so that both databases see that the partial index applies.
is_flagged = orders.c.problem != literal_column("''")

order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("sku", String(100), primary_key=True),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", BigInteger, nullable=False),
)
