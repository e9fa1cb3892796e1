"""create sessions

Revision ID: 409bc7fc7ec3
Revises: dbf9765f62da
"""
from alembic import op
import sqlalchemy as sa

revision = "409bc7fc7ec3"
down_revision = "dbf9765f62da"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("user_id", sa.BigInteger, sa.ForeignKey("users.id", ondelete="CASCADE"), index=True, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sessions")
