from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class StockRow(Base):
    """Pieces of a product: all that were ever received, and those still free to be reserved."""

    __tablename__ = "stock"
    __table_args__ = (CheckConstraint("on_hand >= 0", name="ck_stock_on_hand"),)

    sku: Mapped[str] = mapped_column(String(100), primary_key=True)
    received: Mapped[int]
    on_hand: Mapped[int]


class ReservationRow(Base):
    """Pieces taken off the shelf for an order: held until the parcel leaves, and then shipped."""

    __tablename__ = "reservations"

    order_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sku: Mapped[str] = mapped_column(String(100), primary_key=True)
    quantity: Mapped[int]
