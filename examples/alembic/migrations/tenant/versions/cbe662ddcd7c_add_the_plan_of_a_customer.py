"""add the plan of a customer

Revision ID: cbe662ddcd7c
Revises: b9f08bd502a8
"""
from alembic import op
import sqlalchemy as sa

revision = "cbe662ddcd7c"
down_revision = "b9f08bd502a8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("plan_id", sa.BigInteger, server_default="1", nullable=False))
    op.create_foreign_key("customers_plan_id_fkey", "customers", "plans", ["plan_id"], ["id"], referent_schema="shared")


def downgrade() -> None:
    op.drop_column("customers", "plan_id")
