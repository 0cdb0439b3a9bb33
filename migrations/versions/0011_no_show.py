"""Add the booking status no_show: the lesson was held ready and the student stayed away.

PostgreSQL cannot take a value out of an enum, so the way back builds the type anew and rewrites the column;
lessons that nobody came to were paid for, hence they become completed.
"""

from alembic import op

revision = "f36b"
down_revision = "1dc8"


def upgrade() -> None:
    op.execute("ALTER TYPE booking_status ADD VALUE 'no_show'")


def downgrade() -> None:
    op.execute("UPDATE bookings SET status = 'completed' WHERE status = 'no_show'")
    op.execute("ALTER TABLE bookings ALTER COLUMN status DROP DEFAULT")
    op.execute("ALTER TYPE booking_status RENAME TO booking_status_with_no_show")
    op.execute("CREATE TYPE booking_status AS ENUM ('pending', 'confirmed', 'completed', 'cancelled')")
    op.execute("ALTER TABLE bookings ALTER COLUMN status TYPE booking_status USING status::text::booking_status")
    op.execute("ALTER TABLE bookings ALTER COLUMN status SET DEFAULT 'pending'")
    op.execute("DROP TYPE booking_status_with_no_show")
