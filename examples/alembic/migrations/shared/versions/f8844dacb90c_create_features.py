"""create features

Revision ID: f8844dacb90c
Revises: c889bbac9663
"""
from alembic import op
import sqlalchemy as sa

revision = "f8844dacb90c"
down_revision = "c889bbac9663"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "features",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("plan_id", sa.BigInteger, sa.ForeignKey("shared.plans.id"), nullable=False),
        sa.Column("code", sa.String(50), nullable=False),
        schema="shared",
    )


def downgrade() -> None:
    op.drop_table("features", schema="shared")
