"""create an enum for the state

Revision ID: 6df036de595c
Revises: 80dae43ddfcf
"""
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "6df036de595c"
down_revision = "80dae43ddfcf"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TYPE document_state AS ENUM ('draft', 'published')")
    op.add_column(
        "documents",
        sa.Column(
            "state",
            postgresql.ENUM("draft", "published", name="document_state", create_type=False),
            server_default="draft",
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_column("documents", "state")
    op.execute("DROP TYPE document_state")
