"""Databases for tests, made without pytest: what they hold, who may use them, and what is left of them."""

from __future__ import annotations

import signal

import pytest

from tests.server.built import Built
from tests.server.built import built as built

pytestmark = pytest.mark.timeout(300)


LOOK = """
with dbtasks.testing.databases() as made:
    for database in (made.clone(), made.empty()):
        with database.connect() as connection:
            own = "SELECT tier FROM dbtasks.identity JOIN pg_database d ON database_oid = d.oid AND datname = %s"
            tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            print(connection.execute(own, [database.name]).fetchall(), connection.execute(tables).fetchone()[0])
"""


def test_a_clone_is_what_a_reset_builds_and_an_empty_one_holds_its_stamp_alone(built: Built) -> None:
    done = built.python(LOOK)
    assert (done.code, done.out) == (0, "[('int',)] 22\n[('int',)] 0\n"), done.text


def test_nothing_is_left_when_the_block_ends_also_by_an_exception(built: Built) -> None:
    fine = built.python("with dbtasks.testing.databases() as made:\n    made.clone(), made.empty()")
    assert (fine.code, built.clones()) == (0, set()), fine.text
    broken = built.python("with dbtasks.testing.databases() as made:\n    made.clone(), made.empty(), 1 / 0")
    assert (broken.code, built.clones()) == (1, set())
    assert broken.err.endswith("ZeroDivisionError: division by zero\n")


def test_a_database_is_dropped_under_its_sessions_and_once_only(built: Built) -> None:
    done = built.python(
        """
        import psycopg
        with dbtasks.testing.databases() as made:
            clone = made.clone()
            connection = clone.connect()
            clone.drop()
            clone.drop()
            try:
                connection.execute("SELECT 1")
            except psycopg.OperationalError as error:
                print(type(error).__name__)
        """
    )
    assert (done.code, done.out) == (0, "AdminShutdown\n"), done.text


def test_what_is_printed_of_a_database_never_shows_its_password(built: Built) -> None:
    done = built.python(
        """
        with dbtasks.testing.databases() as made:
            clone = made.clone()
            password = clone.url.split(":")[2].split("@")[0]
            print(len(password) > 8, password in repr(clone), password in clone.masked, clone.name in repr(clone))
        """
    )
    assert (done.code, done.out) == (0, "True False False True\n"), done.text


def test_the_databases_of_a_killed_process_go_with_the_next_and_those_of_one_alive_stay(built: Built) -> None:
    hold = (
        "with dbtasks.testing.databases() as made:\n"
        "    made.clone(), made.empty()\n"
        "    print('ready', flush=True)\n"
        "    input()\n"
    )
    killed, alive = built.start(hold), built.start(hold)
    before = built.clones()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    done = built.python("with dbtasks.testing.databases() as made:\n    pass")
    after = built.clones()
    alive.communicate("\n")
    assert (len(before), len(after), after < before) == (4, 2, True), done.text
    assert (alive.returncode, built.clones()) == (0, set())


def test_one_opening_is_in_the_trail_for_a_process_and_not_one_for_each_database(built: Built) -> None:
    before = built.box.run("invoke", "audit", "--format=json", "--limit=1000").out.count('"clones for tests"')
    built.python("with dbtasks.testing.databases() as made:\n    made.clone(), made.clone(), made.empty()")
    after = built.box.run("invoke", "audit", "--format=json", "--limit=1000").out.count('"clones for tests"')
    assert after - before == 1


def test_a_fork_takes_nothing_from_its_parent(built: Built) -> None:
    done = built.python(
        """
        import os
        with dbtasks.testing.databases() as made:
            clone = made.clone()
            child = os.fork()
            if not child:
                try:
                    made.clone()
                except dbtasks.DbtasksError as error:
                    print(error, flush=True)
                made.close()
                os._exit(0)
            os.waitpid(child, 0)
            with clone.connect() as connection:
                print(connection.execute("SELECT 1").fetchone())
        """
    )
    told = "A process that was forked makes databases of its own: open databases() in it.\n(1,)\n"
    assert (done.code, done.out, built.clones()) == (0, told, set()), done.text


def test_clones_go_on_when_their_template_and_moulds_were_dropped_for_room(built: Built) -> None:
    done = built.python(
        """
        with dbtasks.testing.databases() as made:
            made.clone()
            with made.way_in.open("dbtasks") as connection:
                rows = connection.execute("SELECT name FROM dbtasks.registry WHERE kind = 'template'").fetchall()
                for (name,) in rows:
                    connection.execute(f'DROP DATABASE "{name}"')
                connection.execute("DELETE FROM dbtasks.registry WHERE kind = 'template'")
            made.empty()
            clone = made.clone()
            with clone.connect() as connection:
                print(len(rows) > 1, connection.execute("SELECT count(*) FROM regions").fetchone())
        """
    )
    assert (done.code, done.out, built.clones()) == (0, "True (12,)\n", set()), done.text


def test_a_mould_that_is_used_up_makes_room_for_the_next_and_no_stamp_serves_twice(built: Built) -> None:
    done = built.python(
        """
        from dbtasks.testing import mould
        mould._STAMPS = 3
        with dbtasks.testing.databases() as made:
            oids = set()
            for turn in range(7):
                with made.clone().connect() as connection:
                    own = "SELECT tier, database_oid FROM dbtasks.identity JOIN pg_database d"
                    own += " ON database_oid = d.oid AND datname = current_database()"
                    oids |= {row for row in connection.execute(own).fetchall()}
            print(len(oids))
        """
    )
    moulds = built.sql("SELECT count(*) FROM dbtasks.registry WHERE record -> 'mould' @> '{\"count\": 3, \"next\": 3}'")
    assert (done.code, done.out, built.clones()) == (0, "7\n", set()), done.text
    assert moulds == [(0,)]
