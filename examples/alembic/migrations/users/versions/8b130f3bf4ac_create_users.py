"""create users

Revision ID: 8b130f3bf4ac
Revises: 
"""
from alembic import op
import sqlalchemy as sa

revision = "8b130f3bf4ac"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("users")
