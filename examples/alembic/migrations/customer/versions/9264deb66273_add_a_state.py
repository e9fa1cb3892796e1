"""add a state

Revision ID: 9264deb66273
Revises: 6df036de595c
"""
from alembic import op

revision = "9264deb66273"
down_revision = "6df036de595c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE document_state ADD VALUE 'archived'")


def downgrade() -> None:
    pass
