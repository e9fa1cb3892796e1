"""index events by time, without a lock

Revision ID: 6841babe5374
Revises: f3f05fa51ebb
"""
from alembic import op

revision = "6841babe5374"
down_revision = "f3f05fa51ebb"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("events_at", "events", ["at"], postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index("events_at")
