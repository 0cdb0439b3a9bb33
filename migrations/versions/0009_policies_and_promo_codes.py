"""Create cancellation policies and promo codes, and let instructors choose a policy."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a07d"
down_revision = "49fa"


def upgrade() -> None:
    op.create_table(
        "cancellation_policies",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("notice", postgresql.INTERVAL, nullable=False, comment="cancelled earlier than this: nothing is due"),
        sa.Column("late_refund_percent", sa.SmallInteger, nullable=False),
        sa.Column("terms", postgresql.JSONB, nullable=False, server_default="{}"),
        sa.CheckConstraint("notice >= interval '0'", name="cancellation_policies_notice_not_negative"),
        sa.CheckConstraint("late_refund_percent BETWEEN 0 AND 100", name="cancellation_policies_refund_is_a_share"),
    )
    op.create_table(
        "promo_codes",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("percent_off", sa.SmallInteger),
        sa.Column("cents_off", sa.Integer),
        sa.Column("valid", postgresql.DATERANGE, nullable=False),
        sa.Column("max_uses", sa.Integer),
        sa.CheckConstraint("code = upper(code)", name="promo_codes_in_capitals"),
        sa.CheckConstraint("num_nonnulls(percent_off, cents_off) = 1", name="promo_codes_one_kind_of_discount"),
        sa.CheckConstraint("percent_off BETWEEN 1 AND 100", name="promo_codes_percent_is_a_share"),
        sa.CheckConstraint("cents_off > 0", name="promo_codes_cents_positive"),
        sa.CheckConstraint("max_uses > 0", name="promo_codes_can_be_used"),
    )
    op.add_column("instructors", sa.Column("cancellation_policy", sa.Text))
    op.create_foreign_key(
        "instructors_cancellation_policy_fkey",
        "instructors",
        "cancellation_policies",
        ["cancellation_policy"],
        ["code"],
    )


def downgrade() -> None:
    op.drop_column("instructors", "cancellation_policy")
    op.drop_table("promo_codes")
    op.drop_table("cancellation_policies")
