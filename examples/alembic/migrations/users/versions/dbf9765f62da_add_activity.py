"""add activity

Revision ID: dbf9765f62da
Revises: 8f3f9cd7f2b1
"""
from alembic import op
import sqlalchemy as sa

revision = "dbf9765f62da"
down_revision = "8f3f9cd7f2b1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("is_active", sa.Boolean, server_default=sa.true(), nullable=False))
    op.add_column(
        "users",
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("users", "created_at")
    op.drop_column("users", "is_active")
