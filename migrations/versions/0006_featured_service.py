"""Let an instructor feature one of their own services, which closes a cycle between the two tables.

The foreign key is deferrable: rows of both tables are written first and checked when the transaction ends.
"""

import sqlalchemy as sa
from alembic import op

revision = "6c3a"
down_revision = "0f5d"


def upgrade() -> None:
    op.add_column("instructors", sa.Column("featured_service_id", sa.Integer))
    op.create_foreign_key(
        "instructors_features_own_service",
        "instructors",
        "services",
        ["id", "featured_service_id"],
        ["instructor_id", "id"],
        deferrable=True,
        initially="DEFERRED",
    )


def downgrade() -> None:
    op.drop_constraint("instructors_features_own_service", "instructors", type_="foreignkey")
    op.drop_column("instructors", "featured_service_id")
