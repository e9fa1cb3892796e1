"""rename name to display name

Revision ID: 8f3f9cd7f2b1
Revises: 6f18d6faaeee
"""
from alembic import op

revision = "8f3f9cd7f2b1"
down_revision = "6f18d6faaeee"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("users", "name", new_column_name="display_name")


def downgrade() -> None:
    op.alter_column("users", "display_name", new_column_name="name")
