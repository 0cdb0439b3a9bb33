"""Show each instructor's name, lessons given, number of reviews and mean rating in the view instructor_ratings."""

from alembic import op

revision = "3fc2"
down_revision = "da85"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW instructor_ratings AS
        SELECT i.id AS instructor_id,
               u.first_name || ' ' || u.last_name AS name,
               count(b.id) AS lessons,
               count(r.booking_id) AS reviews,
               round(avg(r.rating), 2) AS rating
        FROM instructors i
        JOIN users u ON u.id = i.user_id
        LEFT JOIN bookings b ON b.instructor_id = i.id AND b.status = 'completed'
        LEFT JOIN reviews r ON r.booking_id = b.id
        GROUP BY i.id, u.first_name, u.last_name
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW instructor_ratings")
