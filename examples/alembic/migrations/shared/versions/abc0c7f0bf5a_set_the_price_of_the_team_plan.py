"""set the price of the team plan

Revision ID: abc0c7f0bf5a
Revises: c3af7180884f
"""
from alembic import op

revision = "abc0c7f0bf5a"
down_revision = "c3af7180884f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE shared.plans SET price = 9.90 WHERE code = 'team'")


def downgrade() -> None:
    op.execute("UPDATE shared.plans SET price = 0 WHERE code = 'team'")
