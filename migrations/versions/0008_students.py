"""Create students: who takes the lessons, an account's holder or members of the family.

Shows a partial unique index: an account holds at most one student who is the holder.
"""

import sqlalchemy as sa
from alembic import op

revision = "49fa"
down_revision = "e8b1"


def upgrade() -> None:
    op.create_table(
        "students",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("first_name", sa.Text, nullable=False),
        sa.Column("relation", sa.Text, nullable=False),
        sa.Column("born_on", sa.Date),
        sa.CheckConstraint("relation IN ('self', 'child', 'partner', 'parent')", name="students_relation_known"),
        # Prices and consent depend on a child's age.
        sa.CheckConstraint("relation <> 'child' OR born_on IS NOT NULL", name="students_children_have_a_birthday"),
    )
    op.create_index(
        "students_one_self_an_account",
        "students",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("relation = 'self'"),
    )


def downgrade() -> None:
    op.drop_table("students")
