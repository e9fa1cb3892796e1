"""insert the first plans

Revision ID: 7d8a3030e4f2
Revises: f8844dacb90c
"""
from alembic import op
import sqlalchemy as sa

revision = "7d8a3030e4f2"
down_revision = "f8844dacb90c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    plans = sa.table("plans", sa.column("id"), sa.column("code"), schema="shared")
    op.bulk_insert(plans, [{"id": 1, "code": "free"}, {"id": 2, "code": "team"}])


def downgrade() -> None:
    op.execute("DELETE FROM shared.plans WHERE id IN (1, 2)")
