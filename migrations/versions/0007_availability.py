"""Create the weekly hours in which instructors teach, and their time off, which may not overlap with itself.

Shows an exclusion constraint; comparing whole numbers in one needs the extension btree_gist.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e8b1"
down_revision = "6c3a"


def upgrade() -> None:
    # A trusted extension: the database's owner may create it, no superuser is needed.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "availability_windows",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("instructor_id", sa.Integer, sa.ForeignKey("instructors.id", ondelete="CASCADE"), nullable=False),
        sa.Column("weekday", sa.SmallInteger, nullable=False, comment="1 is Monday, 7 is Sunday"),
        sa.Column("opens", sa.Time, nullable=False),
        sa.Column("closes", sa.Time, nullable=False),
        sa.UniqueConstraint("instructor_id", "weekday", "opens", name="availability_windows_open_once"),
        sa.CheckConstraint("weekday BETWEEN 1 AND 7", name="availability_windows_weekday_known"),
        sa.CheckConstraint("opens < closes", name="availability_windows_open_before_close"),
    )
    op.create_table(
        "time_off",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("instructor_id", sa.Integer, sa.ForeignKey("instructors.id", ondelete="CASCADE"), nullable=False),
        sa.Column("days", postgresql.DATERANGE, nullable=False),
        sa.Column("reason", sa.Text),
        sa.CheckConstraint("NOT isempty(days)", name="time_off_days_given"),
        postgresql.ExcludeConstraint(
            (sa.column("instructor_id"), "="), (sa.column("days"), "&&"), using="gist", name="time_off_no_overlap"
        ),
    )


def downgrade() -> None:
    op.drop_table("time_off")
    op.drop_table("availability_windows")
    # The extension stays: it may have been there before, and others may use it.
