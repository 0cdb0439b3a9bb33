"""Create the catalogue: categories in a tree, and the kinds of lesson that can be offered in each.

Shows a foreign key from a table to itself, an array column and the one serial of the schema.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d14b"
down_revision = "7a9c"


def upgrade() -> None:
    op.create_table(
        "categories",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("categories.id")),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("slug", name="categories_slug_key"),
        sa.CheckConstraint("parent_id <> id", name="categories_not_own_parent"),
    )
    op.create_table(
        "catalogue_services",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("category_id", sa.Integer, sa.ForeignKey("categories.id"), nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("levels", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("usual_minutes", sa.SmallInteger, nullable=False),
        sa.UniqueConstraint("slug", name="catalogue_services_slug_key"),
        sa.CheckConstraint(
            "cardinality(levels) > 0 AND levels <@ ARRAY['beginner', 'intermediate', 'advanced']",
            name="catalogue_services_levels_known",
        ),
        sa.CheckConstraint("usual_minutes BETWEEN 15 AND 240", name="catalogue_services_minutes_sensible"),
    )


def downgrade() -> None:
    op.drop_table("catalogue_services")
    op.drop_table("categories")
