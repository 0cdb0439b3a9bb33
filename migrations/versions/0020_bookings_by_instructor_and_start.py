"""Index bookings by instructor and start, so that a calendar page reads one range, without blocking writers.

Shows an index made concurrently, which cannot run inside a transaction. When it is interrupted an invalid index
stays behind: drop it and run the revision again.
"""

from alembic import op

revision = "c41f"
down_revision = "3fc2"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "bookings_by_instructor_and_start", "bookings", ["instructor_id", "starts_at"], postgresql_concurrently=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("bookings_by_instructor_and_start", table_name="bookings", postgresql_concurrently=True)
