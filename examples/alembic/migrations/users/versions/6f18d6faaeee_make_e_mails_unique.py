"""make e-mails unique

Revision ID: 6f18d6faaeee
Revises: 8b130f3bf4ac
"""
from alembic import op

revision = "6f18d6faaeee"
down_revision = "8b130f3bf4ac"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_unique_constraint("users_email_key", "users", ["email"])


def downgrade() -> None:
    op.drop_constraint("users_email_key", "users")
