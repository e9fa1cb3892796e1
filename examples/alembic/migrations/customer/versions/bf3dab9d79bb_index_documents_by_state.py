"""index documents by state

Revision ID: bf3dab9d79bb
Revises: 9264deb66273
"""
from alembic import op

revision = "bf3dab9d79bb"
down_revision = "9264deb66273"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("documents_state", "documents", ["state"])


def downgrade() -> None:
    op.drop_index("documents_state")
