"""Refuse two bookings of one instructor at the same time, and a cancellation without its time.

Shows a partial exclusion constraint: what was cancelled takes no time, so its slot can be booked again.
"""

from alembic import op

revision = "8ab2"
down_revision = "f36b"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE bookings ADD CONSTRAINT bookings_no_overlap
            EXCLUDE USING gist (instructor_id WITH =, during WITH &&) WHERE (status <> 'cancelled')
        """
    )
    op.create_check_constraint(
        "bookings_cancelled_has_a_time", "bookings", "(status = 'cancelled') = (cancelled_at IS NOT NULL)"
    )


def downgrade() -> None:
    op.drop_constraint("bookings_cancelled_has_a_time", "bookings", type_="check")
    op.drop_constraint("bookings_no_overlap", "bookings")
