"""Create regions, where lessons are given, and holidays, the days on which a region rests.

Shows a date range and a check constraint that keeps it bounded.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7a9c"
down_revision = "3b1f"


def upgrade() -> None:
    op.create_table(
        "regions",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.UniqueConstraint("code", name="regions_code_key"),
    )
    op.create_table(
        "holidays",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("region_id", sa.Integer, sa.ForeignKey("regions.id"), comment="empty: in every region"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("days", postgresql.DATERANGE, nullable=False),
        sa.CheckConstraint(
            "NOT isempty(days) AND NOT lower_inf(days) AND NOT upper_inf(days)", name="holidays_days_bounded"
        ),
    )


def downgrade() -> None:
    op.drop_table("holidays")
    op.drop_table("regions")
