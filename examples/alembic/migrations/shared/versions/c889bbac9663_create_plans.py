"""create plans

Revision ID: c889bbac9663
Revises: 
"""
from alembic import op
import sqlalchemy as sa

revision = "c889bbac9663"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("code", sa.String(50), nullable=False, unique=True),
        schema="shared",
    )


def downgrade() -> None:
    op.drop_table("plans", schema="shared")
