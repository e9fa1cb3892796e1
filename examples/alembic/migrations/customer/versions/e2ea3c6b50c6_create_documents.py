"""create documents

Revision ID: e2ea3c6b50c6
Revises: 
"""
from alembic import op
import sqlalchemy as sa

revision = "e2ea3c6b50c6"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("documents")
