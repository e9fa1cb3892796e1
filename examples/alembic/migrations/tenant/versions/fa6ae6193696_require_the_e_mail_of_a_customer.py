"""require the e-mail of a customer

Revision ID: fa6ae6193696
Revises: d80c1303fe37
"""
from alembic import op

revision = "fa6ae6193696"
down_revision = "d80c1303fe37"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE customers SET email = 'unknown@example.com' WHERE email IS NULL")
    op.alter_column("customers", "email", nullable=False)


def downgrade() -> None:
    op.alter_column("customers", "email", nullable=True)
