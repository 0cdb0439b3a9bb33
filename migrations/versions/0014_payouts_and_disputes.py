"""Create payouts, a month's earnings sent to an instructor, and the disputes that hold a payment back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c9d0"
down_revision = "52cf"


def upgrade() -> None:
    op.create_table(
        "payouts",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("instructor_id", sa.Integer, sa.ForeignKey("instructors.id"), nullable=False),
        sa.Column("period", postgresql.DATERANGE, nullable=False),
        sa.Column("amount_cents", sa.Integer, nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("amount_cents > 0", name="payouts_amount_positive"),
        postgresql.ExcludeConstraint(
            (sa.column("instructor_id"), "="), (sa.column("period"), "&&"), using="gist", name="payouts_no_overlap"
        ),
    )
    op.add_column("payments", sa.Column("payout_id", sa.BigInteger))
    op.create_foreign_key("payments_payout_id_fkey", "payments", "payouts", ["payout_id"], ["id"])
    op.create_table(
        "payment_disputes",
        sa.Column("payment_id", sa.BigInteger, sa.ForeignKey("payments.id"), primary_key=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="open"),
        sa.Column("evidence", postgresql.JSONB, nullable=False, server_default="[]"),
        sa.CheckConstraint("state IN ('open', 'won', 'lost')", name="payment_disputes_state_known"),
    )


def downgrade() -> None:
    op.drop_table("payment_disputes")
    op.drop_column("payments", "payout_id")
    op.drop_table("payouts")
