"""add properties

Revision ID: dc196c2245d1
Revises: 8a00abc4296b
"""
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "dc196c2245d1"
down_revision = "8a00abc4296b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("properties", postgresql.JSONB, server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("events", "properties")
