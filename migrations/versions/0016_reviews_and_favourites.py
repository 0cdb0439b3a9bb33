"""Create reviews, at most one for each booking, and the instructors that people keep as favourites."""

import sqlalchemy as sa
from alembic import op

revision = "97ac"
down_revision = "2fb7"


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("booking_id", sa.Integer, sa.ForeignKey("bookings.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("rating", sa.SmallInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False, server_default=""),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("reply", sa.Text),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name="reviews_rating_in_stars"),
    )
    op.create_table(
        "favourites",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("instructor_id", sa.Integer, sa.ForeignKey("instructors.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


def downgrade() -> None:
    op.drop_table("favourites")
    op.drop_table("reviews")
