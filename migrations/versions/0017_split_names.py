"""Split users.full_name into first_name and last_name; the last word of a name is the last name.

Shows a data migration in the three steps that every rename of meaning takes: add the columns, fill them, tighten
them and drop the old one. Somebody with a single name has an empty last name, so the way back restores every name.
"""

import sqlalchemy as sa
from alembic import op

revision = "6bd3"
down_revision = "97ac"


def upgrade() -> None:
    op.add_column("users", sa.Column("first_name", sa.Text))
    op.add_column("users", sa.Column("last_name", sa.Text))
    op.execute(
        r"""
        UPDATE users
        SET first_name = CASE WHEN full_name ~ ' ' THEN regexp_replace(full_name, ' [^ ]+$', '') ELSE full_name END,
            last_name = CASE WHEN full_name ~ ' ' THEN substring(full_name from '[^ ]+$') ELSE '' END
        """
    )
    op.alter_column("users", "first_name", nullable=False)
    op.alter_column("users", "last_name", nullable=False)
    op.create_check_constraint("users_first_name_given", "users", "first_name <> ''")
    op.drop_column("users", "full_name")


def downgrade() -> None:
    op.add_column("users", sa.Column("full_name", sa.Text))
    op.execute("UPDATE users SET full_name = concat_ws(' ', first_name, nullif(last_name, ''))")
    op.alter_column("users", "full_name", nullable=False)
    op.create_check_constraint("users_full_name_given", "users", "full_name = btrim(full_name) AND full_name <> ''")
    op.drop_column("users", "last_name")
    op.drop_column("users", "first_name")
