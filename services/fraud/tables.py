from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class ScreeningRow(Base):
    """One order's screening, and what a person decided on it."""

    __tablename__ = "screenings"
    __table_args__ = (
        Index("ix_screenings_velocity", "customer_id", "screened_at"),
        Index("ix_screenings_country", "customer_id", "country"),
    )

    order_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    customer_id: Mapped[str] = mapped_column(String(100))
    country: Mapped[str] = mapped_column(String(2))
    score: Mapped[int]
    rules: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(String(20))
    decision: Mapped[str] = mapped_column(String(20), comment="empty until a person or the deadline decides")
    screened_at: Mapped[int] = mapped_column(BigInteger, comment="milliseconds since 1970")
