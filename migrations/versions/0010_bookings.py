"""Create bookings: which student takes which service of which instructor, when, and for how much.

Shows an enum type and two generated columns: the time span that is taken and the amount that is due.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1dc8"
down_revision = "a07d"

STATUSES = ("pending", "confirmed", "completed", "cancelled")


def upgrade() -> None:
    status = postgresql.ENUM(*STATUSES, name="booking_status", create_type=False)
    op.execute("CREATE TYPE booking_status AS ENUM ('pending', 'confirmed', 'completed', 'cancelled')")
    op.create_table(
        "bookings",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("student_id", sa.Integer, sa.ForeignKey("students.id"), nullable=False),
        sa.Column("instructor_id", sa.Integer, sa.ForeignKey("instructors.id"), nullable=False),
        sa.Column("service_id", sa.Integer, nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE, sa.Computed("tstzrange(starts_at, ends_at)", persisted=True)),
        sa.Column("status", status, nullable=False, server_default="pending"),
        sa.Column("price_cents", sa.Integer, nullable=False),
        sa.Column("promo_code", sa.Text, sa.ForeignKey("promo_codes.code")),
        sa.Column("discount_cents", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_cents", sa.Integer, sa.Computed("price_cents - discount_cents", persisted=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("cancelled_at", sa.DateTime(timezone=True)),
        sa.Column("cancelled_by", sa.Integer, sa.ForeignKey("users.id")),
        sa.ForeignKeyConstraint(
            ["instructor_id", "service_id"],
            ["services.instructor_id", "services.id"],
            name="bookings_service_of_instructor",
        ),
        sa.CheckConstraint("starts_at < ends_at", name="bookings_start_before_end"),
        sa.CheckConstraint("created_at < starts_at", name="bookings_made_beforehand"),
        sa.CheckConstraint("price_cents > 0", name="bookings_price_positive"),
        sa.CheckConstraint("discount_cents BETWEEN 0 AND price_cents", name="bookings_discount_within_price"),
        sa.CheckConstraint("(promo_code IS NULL) = (discount_cents = 0)", name="bookings_discount_has_a_code"),
        sa.CheckConstraint("num_nulls(cancelled_at, cancelled_by) <> 1", name="bookings_cancelled_when_and_by_whom"),
    )


def downgrade() -> None:
    op.drop_table("bookings")
    op.execute("DROP TYPE booking_status")
