"""The tables of the analytics database."""
from sqlalchemy import BigInteger, Date, DateTime, String, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    properties: Mapped[dict] = mapped_column(JSONB, server_default="{}")
    at: Mapped[object] = mapped_column(DateTime(timezone=True), server_default=func.now())


class DailyCount(Base):
    __tablename__ = "daily_counts"

    day: Mapped[object] = mapped_column(Date, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger, server_default="0")
