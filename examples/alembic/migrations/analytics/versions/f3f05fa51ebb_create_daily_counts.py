"""create daily counts

Revision ID: f3f05fa51ebb
Revises: dc196c2245d1
"""
from alembic import op
import sqlalchemy as sa

revision = "f3f05fa51ebb"
down_revision = "dc196c2245d1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "daily_counts",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("count", sa.BigInteger, server_default="0", nullable=False),
    )


def downgrade() -> None:
    op.drop_table("daily_counts")
