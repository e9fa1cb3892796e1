"""fill daily counts

Revision ID: 20877dc18cc4
Revises: 6841babe5374
"""
from alembic import op

revision = "20877dc18cc4"
down_revision = "6841babe5374"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "INSERT INTO daily_counts (day, name, count) "
        "SELECT at::date, name, count(*) FROM events GROUP BY 1, 2 ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    op.execute("DELETE FROM daily_counts")
