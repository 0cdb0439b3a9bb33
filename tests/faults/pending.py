"""Three revisions to be applied or taken back, of which the second leaves its transaction; the states before that."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.ground import NAMES, Ground

TORN = "r5"
INDEX = "lessons_by_title"
UP = {
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
_DOWN = f"""

def downgrade():
    if revision == "r6":
        op.execute("CREATE TABLE one (id int)")
        op.execute("DROP TABLE three")
    elif revision == "{TORN}":
        with op.get_context().autocommit_block():
            op.execute("DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
    else:
        op.execute("DROP TABLE two")
        op.execute("DROP TABLE one")
"""
# The relations that there are beside the first three revisions' own, by the revision that the database is at.
WHOLE = {
    "r3": set[str](),
    "r4": {"one", "two"},
    "r5": {"one", "two", INDEX},
    "r6": {"two", INDEX, "three"},
}
_CLEARED = f"""
DROP TABLE IF EXISTS one, two, three;
DROP INDEX IF EXISTS {INDEX};
"""
_BEFORE = f"""{_CLEARED}
UPDATE alembic_version SET version_num = 'r3';
DELETE FROM dbtasks.ledger WHERE revision IN ('r4', 'r5', 'r6')
"""  # noqa: S608 - our own names
_AS_LEFT = "DELETE FROM dbtasks.drift WHERE id > (SELECT min(id) FROM dbtasks.drift)"  # where drift stops a migration
_AFTER = f"""{_CLEARED}
CREATE TABLE two ();
CREATE TABLE three (id int);
CREATE INDEX {INDEX} ON lessons (title);
UPDATE alembic_version SET version_num = 'r6';
DELETE FROM dbtasks.ledger WHERE direction = 'downgrade'
"""  # noqa: S608 - as above


def ready(*tiers: str) -> Callable[[Ground], None]:
    """Write the revisions, and let these tiers have them."""

    def write(ground: Ground) -> None:
        for id_, body in UP.items():
            path = ground.project.revision(id_, body)
            path.write_text(path.read_text(encoding="utf-8") + _DOWN, encoding="utf-8")
        for tier in tiers:
            ground.works(f"migrate --tier={tier}")

    return write


def waiting(tier: str) -> Callable[[Ground], None]:
    """Let three revisions be pending."""
    return lambda ground: _set(ground, tier, _BEFORE if tier == "int" else f"{_BEFORE};{_AS_LEFT}")


def there(tier: str) -> Callable[[Ground], None]:
    """Let all of them be there, in the database's own word as well."""
    return lambda ground: _set(ground, tier, _AFTER)


def _set(ground: Ground, tier: str, state: str) -> None:
    ground.sql(tier, state, database=NAMES[tier])
