"""Three pending revisions, of which the second leaves its transaction, and the state before them."""

from __future__ import annotations

from tests.faults.ground import NAMES, Ground

TORN = "r5"
INDEX = "lessons_by_title"
PENDING = {
    "r4": """
        op.execute("CREATE TABLE one (id int)")
        op.execute("INSERT INTO one SELECT generate_series(1, 3)")
        op.execute("CREATE TABLE two ()")
    """,
    TORN: f"""
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY {INDEX} ON lessons (title)")
    """,
    "r6": """
        op.execute("CREATE TABLE three (id int)")
        op.execute("DROP TABLE one")
    """,
}
# The relations that there are beside the first three revisions' own, by the revision that the database is at.
WHOLE = {
    "r3": set[str](),
    "r4": {"one", "two"},
    "r5": {"one", "two", INDEX},
    "r6": {"two", INDEX, "three"},
}
_BACK = """
DROP TABLE IF EXISTS one, two, three;
DROP INDEX IF EXISTS lessons_by_title;
UPDATE alembic_version SET version_num = 'r3';
DELETE FROM dbtasks.ledger WHERE revision IN ('r4', 'r5', 'r6')
"""


def ready(ground: Ground) -> None:
    for id_, body in PENDING.items():
        ground.project.revision(id_, body)


def arrange(ground: Ground) -> None:
    """Let three revisions be pending."""
    ground.sql("int", _BACK, database=NAMES["int"])
