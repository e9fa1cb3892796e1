"""create customers

Revision ID: a94772909047
Revises: 
"""
from alembic import op
import sqlalchemy as sa

revision = "a94772909047"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320)),
    )


def downgrade() -> None:
    op.drop_table("customers")
