"""Create messages between two users, about a booking or about nothing in particular."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "da85"
down_revision = "6bd3"


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("id", postgresql.UUID, primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("sender_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("recipient_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("booking_id", sa.Integer, sa.ForeignKey("bookings.id", ondelete="SET NULL")),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("sender_id <> recipient_id", name="messages_to_somebody_else"),
        sa.CheckConstraint("body <> ''", name="messages_say_something"),
        sa.CheckConstraint("read_at >= sent_at", name="messages_read_after_sent"),
    )
    op.create_index("messages_of_recipient", "messages", ["recipient_id", "sent_at"])


def downgrade() -> None:
    op.drop_table("messages")
