"""add the body

Revision ID: 80dae43ddfcf
Revises: e2ea3c6b50c6
"""
from alembic import op
import sqlalchemy as sa

revision = "80dae43ddfcf"
down_revision = "e2ea3c6b50c6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("body", sa.Text, server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("documents", "body")
