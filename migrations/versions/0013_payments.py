"""Create payments: one for each booking that costs something, from authorised to captured, voided or refunded."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "52cf"
down_revision = "8ab2"

STATES = "'authorised', 'captured', 'partly_refunded', 'refunded', 'voided', 'disputed'"
NET = "CASE WHEN captured_at IS NULL THEN 0 ELSE amount_cents - refunded_cents - fee_cents END"


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("booking_id", sa.Integer, sa.ForeignKey("bookings.id"), nullable=False),
        sa.Column("amount_cents", sa.Integer, nullable=False),
        sa.Column("fee_cents", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refunded_cents", sa.Integer, nullable=False, server_default="0"),
        sa.Column("net_cents", sa.Integer, sa.Computed(NET, persisted=True)),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("authorised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True)),
        sa.Column("details", postgresql.JSONB, nullable=False, server_default="{}"),
        sa.UniqueConstraint("booking_id", name="payments_booking_id_key"),
        sa.CheckConstraint("amount_cents > 0", name="payments_amount_positive"),
        sa.CheckConstraint("refunded_cents BETWEEN 0 AND amount_cents", name="payments_refund_within_amount"),
        sa.CheckConstraint("fee_cents BETWEEN 0 AND amount_cents - refunded_cents", name="payments_fee_within_rest"),
        sa.CheckConstraint("method IN ('card', 'transfer', 'voucher')", name="payments_method_known"),
        sa.CheckConstraint(f"status IN ({STATES})", name="payments_status_known"),
        sa.CheckConstraint(
            "(captured_at IS NULL) = (status IN ('authorised', 'voided'))", name="payments_captured_has_a_time"
        ),
        sa.CheckConstraint("captured_at >= authorised_at", name="payments_captured_after_authorised"),
    )


def downgrade() -> None:
    op.drop_table("payments")
