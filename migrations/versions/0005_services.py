"""Create services: what an instructor offers from the catalogue, how long it takes and what it costs."""

import sqlalchemy as sa
from alembic import op

revision = "0f5d"
down_revision = "b2c6"


def upgrade() -> None:
    op.create_table(
        "services",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("instructor_id", sa.Integer, sa.ForeignKey("instructors.id", ondelete="CASCADE"), nullable=False),
        sa.Column("catalogue_service_id", sa.Integer, sa.ForeignKey("catalogue_services.id"), nullable=False),
        sa.Column("minutes", sa.SmallInteger, nullable=False),
        sa.Column("price_cents", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.UniqueConstraint(
            "instructor_id", "catalogue_service_id", "minutes", name="services_offered_once_for_each_length"
        ),
        # Lets other tables refer to "a service of this instructor", not to any service.
        sa.UniqueConstraint("instructor_id", "id", name="services_instructor_id_id_key"),
        sa.CheckConstraint("minutes BETWEEN 15 AND 240", name="services_minutes_sensible"),
        sa.CheckConstraint("price_cents > 0", name="services_price_positive"),
    )


def downgrade() -> None:
    op.drop_table("services")
