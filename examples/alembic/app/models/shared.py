"""Tables that all tenants share."""
from sqlalchemy import BigInteger, ForeignKey, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class SharedBase(DeclarativeBase):
    pass


class Plan(SharedBase):
    __tablename__ = "plans"
    __table_args__ = {"schema": "shared"}

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    code: Mapped[str] = mapped_column(String(50), unique=True)
    price: Mapped[object] = mapped_column(Numeric(10, 2), server_default="0")


class Feature(SharedBase):
    __tablename__ = "features"
    __table_args__ = {"schema": "shared"}

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("shared.plans.id"))
    code: Mapped[str] = mapped_column(String(50))
