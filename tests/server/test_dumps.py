"""The dumps by which other tests tell that nothing has changed, and not each of which is taken anew."""

from __future__ import annotations

from tests.server.abroad import abroad as abroad
from tests.server.road import Server

CHANGES = {
    "INSERT INTO t VALUES (2)": "looked_at",
    "INSERT INTO u VALUES (2)": "looked_at",
    "DELETE FROM t": "looked_at",
    "ALTER TABLE t SET (fillfactor = 50)": "looked_at",
    "SELECT nextval('s')": "looked_at",
    "SELECT nextval('s') AS and_the_next": "looked_at",  # of which the server writes nothing
    "SELECT setval('s', 40)": "looked_at",
    "COMMENT ON DATABASE looked_at IS 'otherwise'": "postgres",
    "ALTER DATABASE looked_at SET work_mem = '5MB'": "postgres",
}


def test_no_dump_is_stale(abroad: Server) -> None:
    abroad.database("looked_at")
    for made in ("TABLE t (id int)", "UNLOGGED TABLE u (id int)", "SEQUENCE s"):
        abroad.sql(f"CREATE {made}", "looked_at")
    abroad.sql("INSERT INTO t VALUES (1)", "looked_at")
    before = abroad.dump("looked_at")
    for change, database in CHANGES.items():
        abroad.sql(change, database)
        after = abroad.dump("looked_at")
        assert after != before, change
        before = after
