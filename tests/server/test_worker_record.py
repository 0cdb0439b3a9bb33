"""The worker's record of what it executes, through each driver that a project may have."""

from __future__ import annotations

import pytest

from dbtasks.migrations import events
from dbtasks.statements import Change, ChangeKind, LockTaken
from tests.server.shop import ASYNC_ENV, ENV, Shop

SYNC_ENV = ENV.format(per_migration=True)


def taken(*modes: str) -> tuple[LockTaken, ...]:
    return tuple(LockTaken(relation="public.a", mode=mode) for mode in modes)


@pytest.mark.parametrize(
    ("driver", "env"),
    [("psycopg", SYNC_ENV), ("psycopg2", SYNC_ENV), ("asyncpg", ASYNC_ENV), ("psycopg", ASYNC_ENV)],
    ids=["psycopg", "psycopg2", "asyncpg", "psycopg, asynchronous"],
)
def test_each_driver_tells_the_same(shop: Shop, driver: str, env: str) -> None:
    shop.env(f'# "postgresql+{driver}"\n{env}')
    shop.revision("CREATE TABLE a (id int, name varchar(20))")
    shop.upgrade()
    shop.revision(
        "ALTER TABLE a ALTER COLUMN name TYPE varchar(10)",
        "DELETE FROM a",
        code="""
            import sqlalchemy as sa
            op.get_bind().execute(sa.text("INSERT INTO a (id) VALUES (:id)"), {"id": 4711})
            with op.get_context().autocommit_block():
                op.execute("CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)")
                op.execute("ALTER TABLE a DROP COLUMN name")
        """,
    )
    shop.reported.clear()

    shop.upgrade(rehearses=True, records=False)

    ran = [event.statement for event in shop.reported if isinstance(event, events.StatementRun)]
    assert ("started", driver) in [("started", event.driver) for event in shop.reported if hasattr(event, "driver")]
    assert [(each.transactional, each.rewrites, each.locks) for each in ran] == [
        (True, ("public.a",), taken("AccessExclusiveLock", "ShareLock")),
        (True, (), taken("RowExclusiveLock")),
        (True, (), ()),  # it has that lock already
        (False, (), taken("ShareUpdateExclusiveLock")),
        (False, (), taken("AccessExclusiveLock")),
    ]
    assert "4711" not in repr(ran)
    assert "$1" in ran[2].text
    assert [(each.rows) for each in ran[1:3]] == [0, 1]
    changes = [event.change for event in shop.reported if isinstance(event, events.Changed)]
    assert changes == [
        Change(kind=ChangeKind.DELETES, table="public.a", revision="r2"),
        Change(kind=ChangeKind.DROPS_COLUMN, table="public.a", revision="r2", columns=("name",), written=True),
        Change(
            kind=ChangeKind.REQUIRES_UNIQUE,
            table="public.a",
            revision="r2",
            columns=("id",),
            to="a_id",
            written=True,
        ),
    ]
