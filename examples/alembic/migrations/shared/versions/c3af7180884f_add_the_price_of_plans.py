"""add the price of plans

Revision ID: c3af7180884f
Revises: 7d8a3030e4f2
"""
from alembic import op
import sqlalchemy as sa

revision = "c3af7180884f"
down_revision = "7d8a3030e4f2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "plans", sa.Column("price", sa.Numeric(10, 2), server_default="0", nullable=False), schema="shared"
    )


def downgrade() -> None:
    op.drop_column("plans", "price", schema="shared")
