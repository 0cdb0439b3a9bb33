"""Record every change of a booking's status: what it was, what it became, when, and by whom.

Shows a trigger. It fires on changes only; when a booking was made stands in the booking itself. The application
names the person with `SET LOCAL app.user_id`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2fb7"
down_revision = "c9d0"


def upgrade() -> None:
    status = postgresql.ENUM(name="booking_status", create_type=False)
    op.create_table(
        "booking_status_history",
        sa.Column("booking_id", sa.Integer, sa.ForeignKey("bookings.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("step", sa.SmallInteger, primary_key=True),
        sa.Column("from_status", status, nullable=False),
        sa.Column("to_status", status, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Integer, sa.ForeignKey("users.id")),
        sa.CheckConstraint("from_status <> to_status", name="booking_status_history_is_a_change"),
    )
    op.execute(
        """
        CREATE FUNCTION record_booking_status() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO booking_status_history (booking_id, step, from_status, to_status, changed_at, changed_by)
            SELECT NEW.id, coalesce(max(step), 0) + 1, OLD.status, NEW.status, clock_timestamp(),
                   nullif(current_setting('app.user_id', true), '')::integer
            FROM booking_status_history
            WHERE booking_id = NEW.id;
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER bookings_record_status AFTER UPDATE OF status ON bookings
            FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION record_booking_status()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER bookings_record_status ON bookings")
    op.execute("DROP FUNCTION record_booking_status()")
    op.drop_table("booking_status_history")
