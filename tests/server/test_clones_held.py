"""Transactions that are rolled back after each test: whatever the code under test does, nothing of it stays."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.outside import Finished
from tests.server.built import Built
from tests.server.built import built as built

pytestmark = pytest.mark.timeout(300)

HEAD = """
import asyncio
import psycopg, pytest

MINE = "SELECT count(*) FROM regions WHERE code = 'mine'"
ADD = "INSERT INTO regions (code, name, time_zone) VALUES ('mine', 'Mine', 'UTC')"


@pytest.fixture
def elsewhere(int_database):
    '''How many rows of ours somebody else sees.'''
    with int_database.connect(autocommit=True) as connection:
        yield lambda: connection.execute(MINE).fetchone()[0]
        assert connection.execute(MINE).fetchone() == (0,)
"""

ONLY = {
    "asyncio": ("-p", "no:anyio", "-o", "asyncio_default_fixture_loop_scope=function"),
    "anyio": ("-p", "no:asyncio"),
}


def run(built: Built, code: str, *options: str, **env: str) -> Finished:
    options = options or ("-p", "no:asyncio")
    built.box.write("test_it.py", HEAD + dedent(code))
    return built.box.pytest("-p", "no:cacheprovider", "-W", "error", *options, "test_it.py", env=env)


def outcome(done: Finished) -> str:
    return next(line.strip("= ").split(" in ")[0] for line in reversed(done.out.splitlines()) if " in " in line)


def test_what_is_done_with_db_is_gone_after_the_test(built: Built) -> None:
    done = run(
        built,
        """
        @pytest.mark.parametrize("turn", range(2))
        def test_commit_keeps_it_for_the_test_only(db, elsewhere, turn):
            db.execute(ADD)
            db.commit()
            db.rollback()
            assert (db.execute(MINE).fetchone(), elsewhere()) == ((1,), 0)

        def test_rollback_takes_back_what_was_not_committed(db):
            db.execute(ADD)
            db.rollback()
            assert db.execute(MINE).fetchone() == (0,)

        def test_blocks_nest(db):
            with db.transaction():
                db.execute(ADD)
                with pytest.raises(ZeroDivisionError), db.transaction():
                    db.execute("DELETE FROM regions WHERE code = 'mine'")
                    1 / 0
                with pytest.raises(psycopg.ProgrammingError, match="forbidden inside of a transaction"):
                    db.commit()
            assert db.execute(MINE).fetchone() == (1,)

        def test_a_failed_statement_is_rolled_back_as_by_the_server(db):
            db.execute(ADD)
            db.commit()
            with pytest.raises(psycopg.errors.UniqueViolation):
                db.execute(ADD)
            db.rollback()
            assert db.execute(MINE).fetchone() == (1,)

        def test_the_connection_as_a_block_is_committed_and_closed(db, elsewhere):
            with db:
                db.execute(ADD)
            assert (db.closed, elsewhere()) == (True, 0)

        def test_in_a_pipeline(db):
            with db.pipeline():
                db.execute(ADD)
                db.commit()
            db.rollback()
            assert db.execute(MINE).fetchone() == (1,)

        def test_a_deferred_constraint_is_checked_at_commit_and_stays_deferred(db):
            db.execute("CREATE TABLE one (id int PRIMARY KEY)")
            db.execute("CREATE TABLE two (one int REFERENCES one DEFERRABLE INITIALLY DEFERRED)")
            db.commit()
            for turn in range(2):
                db.execute("INSERT INTO two VALUES (1)")
                with pytest.raises(psycopg.errors.ForeignKeyViolation):
                    db.commit()
                assert db.execute("SELECT count(*) FROM two").fetchone() == (0,)
            db.execute("INSERT INTO two VALUES (1)")
            db.execute("INSERT INTO one VALUES (1)")
            db.commit()
            db.rollback()
            assert db.execute("SELECT count(*) FROM two").fetchone() == (1,)
        """,
    )
    assert (done.code, outcome(done)) == (0, "8 passed"), done.text


def test_sql_that_ends_the_transaction_leaves_nothing_and_the_test_is_told(built: Built) -> None:
    done = run(
        built,
        """
        def test_commit(db, elsewhere):
            db.execute(ADD)
            with pytest.raises(psycopg.Error, match="COMMIT as SQL is refused"):
                db.execute("COMMIT")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                db.execute(ADD)

        def test_rollback(db, elsewhere):
            db.execute("ROLLBACK")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                db.execute(ADD)

        def test_prepared(db, elsewhere):
            db.execute(ADD)
            with pytest.raises(psycopg.Error):
                db.execute("PREPARE TRANSACTION 'mine'")

        def test_autocommit(db):
            with pytest.raises(psycopg.ProgrammingError):
                db.autocommit = True
        """,
    )
    assert (done.code, outcome(done)) == (1, "4 passed, 3 errors"), done.text
    assert done.out.count("The code under test ended this test's transaction by SQL") >= 3


@pytest.mark.parametrize("marker", ["asyncio", pytest.param("anyio", marks=pytest.mark.thorough)])
def test_the_asynchronous_ones_work_with_every_plugin(built: Built, marker: str) -> None:
    done = run(
        built,
        """
        import os
        import sqlalchemy as sa

        pytestmark = getattr(pytest.mark, os.environ["MARKER"])

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def test_psycopg(async_db, elsewhere):
            async with async_db() as connection:
                await connection.execute(ADD)
                await connection.commit()
                async with connection.transaction(force_rollback=True):
                    await connection.execute("DELETE FROM regions WHERE code = 'mine'")
                await connection.rollback()
                assert await (await connection.execute(MINE)).fetchone() == (1,)
                assert elsewhere() == 0

        async def test_asyncpg(asyncpg_db, elsewhere):
            async with asyncpg_db() as connection:
                async with connection.transaction():
                    await connection.execute(ADD)
                assert (await connection.fetchval(MINE), elsewhere()) == (1, 0)
                with pytest.raises(Exception, match="COMMIT as SQL is refused"):
                    await connection.execute("COMMIT")
                with pytest.raises(Exception, match="read-only"):
                    await connection.execute(ADD)
                await connection.close()

        async def test_sqlalchemy(sqlalchemy_async_session, sqlalchemy_async_connection, elsewhere):
            async with sqlalchemy_async_session() as session:
                await session.execute(sa.text(ADD))
                await session.commit()
                async with session.begin_nested():
                    await session.execute(sa.text("DELETE FROM regions WHERE code = 'nobody'"))
                await session.rollback()
                assert (await session.execute(sa.text(MINE))).scalar() == 1
            async with sqlalchemy_async_connection() as connection:
                assert (await connection.execute(sa.text(MINE))).scalar() == 0
        """,
        *ONLY[marker],
        MARKER=marker,
        DATABASE_URL="postgresql+asyncpg://anna@db-7.example.com/shop",
    )
    assert (done.code, outcome(done)) == (0, "3 passed"), done.text


@pytest.mark.parametrize(
    "driver", ["", "+asyncpg", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("+psycopg2", "+pg8000"))]
)
def test_sqlalchemys_engines_connections_and_sessions_are_undone(built: Built, driver: str) -> None:
    done = run(
        built,
        """
        import sqlalchemy as sa
        from sqlalchemy.orm import Session

        ADD, MINE = sa.text(ADD), sa.text(MINE)

        @pytest.fixture
        def elsewhere(int_database):
            with int_database.connect(autocommit=True) as connection:
                yield lambda: connection.execute(str(MINE)).fetchone()[0]
                assert connection.execute(str(MINE)).fetchone() == (0,)

        @pytest.mark.parametrize("turn", range(2))
        def test_engine(sqlalchemy_engine, elsewhere, turn):
            with sqlalchemy_engine.begin() as connection:
                connection.execute(ADD)
            with pytest.raises(ZeroDivisionError), sqlalchemy_engine.begin() as connection:
                connection.execute(sa.text("DELETE FROM regions WHERE code = 'mine'"))
                1 / 0
            with sqlalchemy_engine.connect() as connection:
                assert (connection.execute(MINE).scalar(), elsewhere()) == (1, 0)

        def test_connection(sqlalchemy_connection, elsewhere):
            sqlalchemy_connection.execute(ADD)
            sqlalchemy_connection.commit()
            sqlalchemy_connection.rollback()
            with sqlalchemy_connection.begin_nested():
                assert (sqlalchemy_connection.execute(MINE).scalar(), elsewhere()) == (1, 0)

        def test_session(sqlalchemy_session, sqlalchemy_engine, elsewhere):
            sqlalchemy_session.execute(ADD)
            sqlalchemy_session.commit()
            sqlalchemy_session.rollback()
            assert sqlalchemy_session.execute(MINE).scalar() == 1
            sqlalchemy_session.close()
            with Session(sqlalchemy_engine) as another, another.begin():
                assert (another.execute(MINE).scalar(), elsewhere()) == (1, 0)

        def test_a_session_that_fails_goes_on(sqlalchemy_session):
            sqlalchemy_session.execute(ADD)
            sqlalchemy_session.commit()
            with pytest.raises(sa.exc.DBAPIError):
                sqlalchemy_session.execute(ADD)
            sqlalchemy_session.rollback()
            assert sqlalchemy_session.execute(MINE).scalar() == 1

        def test_driver(sqlalchemy_engine):
            print("DRIVER", sqlalchemy_engine.dialect.driver)
        """,
        "-s",
        "-p",
        "no:asyncio",
        DATABASE_URL=f"postgresql{driver}://anna@db-7.example.com/shop",
    )
    assert (done.code, outcome(done)) == (0, "6 passed"), done.text
    used = {"": "psycopg", "+asyncpg": "psycopg"}.get(driver, driver[1:])
    assert f"DRIVER {used}\n" in done.out
