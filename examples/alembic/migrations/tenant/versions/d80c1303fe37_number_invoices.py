"""number invoices

Revision ID: d80c1303fe37
Revises: cbe662ddcd7c
"""
from alembic import op
import sqlalchemy as sa

revision = "d80c1303fe37"
down_revision = "cbe662ddcd7c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoices", sa.Column("number", sa.String(30)))
    invoices = op.get_bind().execute(sa.text("SELECT id FROM invoices ORDER BY id")).scalars().all()
    for number, invoice in enumerate(invoices, start=1):
        op.execute(
            sa.text("UPDATE invoices SET number = :number WHERE id = :id").bindparams(number=f"R{number:06}", id=invoice)
        )
    op.alter_column("invoices", "number", nullable=False)
    op.create_unique_constraint("invoices_number_key", "invoices", ["number"])


def downgrade() -> None:
    op.drop_column("invoices", "number")
