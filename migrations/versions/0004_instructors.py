"""Create instructors, the public side of a user who teaches, and the regions that each has served and when."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b2c6"
down_revision = "d14b"


def upgrade() -> None:
    op.create_table(
        "instructors",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("headline", sa.Text, nullable=False),
        sa.Column("bio", sa.Text, nullable=False, server_default=""),
        sa.Column("languages", postgresql.ARRAY(sa.Text), nullable=False, server_default="{en}"),
        sa.Column("profile", postgresql.JSONB, nullable=False, server_default="{}"),
        sa.Column("joined_on", sa.Date, nullable=False, server_default=sa.text("CURRENT_DATE")),
        sa.UniqueConstraint("user_id", name="instructors_user_id_key"),
        sa.CheckConstraint("cardinality(languages) > 0", name="instructors_speak"),
    )
    op.create_table(
        "instructor_regions",
        sa.Column("instructor_id", sa.Integer, sa.ForeignKey("instructors.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("region_id", sa.Integer, sa.ForeignKey("regions.id"), primary_key=True),
        sa.Column("served", postgresql.DATERANGE, nullable=False),
        sa.CheckConstraint("NOT isempty(served) AND NOT lower_inf(served)", name="instructor_regions_served_begins"),
    )


def downgrade() -> None:
    op.drop_table("instructor_regions")
    op.drop_table("instructors")
