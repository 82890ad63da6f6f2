from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class ProductRow(Base):
    """The catalogue. Prices are in minor units."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(String(100), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    unit_price: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))


class OrderRow(Base):
    __tablename__ = "orders"

    order_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    customer_id: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, comment="why it was rejected or cancelled")
    problem: Mapped[str] = mapped_column(Text, comment="what an operator must settle; empty when nothing")
    settled: Mapped[str] = mapped_column(Text, comment="what an operator settled by hand")
    style: Mapped[str] = mapped_column(
        String(20), server_default="orchestration", comment="who decides what happens next to it"
    )
    total: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    ship_to: Mapped[str] = mapped_column(Text, comment="JSON")
    placed_at: Mapped[int] = mapped_column(BigInteger, comment="milliseconds since 1970")


class OrderLineRow(Base):
    __tablename__ = "order_lines"

    order_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sku: Mapped[str] = mapped_column(String(100), primary_key=True)
    quantity: Mapped[int]
    unit_price: Mapped[int] = mapped_column(BigInteger)
