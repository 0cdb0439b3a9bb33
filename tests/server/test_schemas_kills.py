"""Whoever is killed while schemas are replaced or brought back, and at whichever statement: the old or the new, whole.

The client is a fork of this process that kills itself at its n-th word to the server; the server is killed by ending
the session's process, upon which all of it starts again. Others who use the tables are waited for, and no longer.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import product
from pathlib import Path

import psycopg
import pytest

from dbtasks import embedded, schemas
from dbtasks.conninfo import parse
from dbtasks.database import Connection
from dbtasks.errors import DbtasksError, LockTimeoutError, ServerUnreachableError
from dbtasks.schemas import waiting
from tests.server.abroad import abroad as abroad
from tests.server.abroad import started
from tests.server.road import Server, until
from tests.server.schemas_ground import Ground, Target, errand

pytestmark = [pytest.mark.timeout(600), pytest.mark.outside]

# A sequence that was asked for a value leaps after a crash, as they all do; one that was set does not.
OLD = """
CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'old' FROM generate_series(1, 50) n;
CREATE SCHEMA more; CREATE TABLE more.u (t int REFERENCES t); CREATE SEQUENCE s; SELECT setval('s', 7);
"""
NEW = OLD.replace("'old'", "'new'") + "GRANT SELECT ON t TO reader; CREATE INDEX ON t (v);"

Act = Callable[[Connection], object]


class Watched:
    """A connection that does something before each of its words to the server."""

    def __init__(self, connection: Connection, before: Callable[[], None]) -> None:
        self._connection, self._before = connection, before

    def __getattr__(self, name: str) -> object:
        if name in {"execute", "cursor"}:
            self._before()
        found = getattr(self._connection, name)
        if name == "transaction":
            return partial(self._transaction, found)
        return found

    def _transaction(self, begin: Callable[[], object]) -> object:
        self._before()
        return begin()


def words(target: Target, act: Act) -> int:
    """Return how many words an act says."""
    count = 0

    def counted() -> None:
        nonlocal count
        count += 1

    with target.open() as connection:
        act(Watched(connection, counted))  # type: ignore[arg-type]  # it says what a connection says
    return count


def killed_client(target: Target, act: Act, at: int) -> None:
    """Run an act in a process that ends itself by SIGKILL before its n-th word."""
    child = os.fork()
    if child == 0:
        try:
            left = at

            def die() -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            with target.open() as connection:
                act(Watched(connection, die))  # type: ignore[arg-type]  # as above
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)


def killed_server(target: Target, act: Act, at: int) -> None:
    """Run an act whose server process is killed before its n-th word; the server comes up again by itself."""
    left = at
    with closing(target.open()) as connection:
        pid = connection.info.backend_pid

        def strike() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(pid, signal.SIGKILL)

        with suppress(psycopg.Error, DbtasksError):
            act(Watched(connection, strike))  # type: ignore[arg-type]  # as above
    # Once its parent has heard of the death, nobody is let in until all is well again.
    until(lambda: not Path(f"/proc/{pid}").exists(), what="the death was noticed")
    until(lambda: answers(target), what="the server is up again")


def answers(target: Target) -> bool:
    try:
        return target.sql("SELECT 1") == [(1,)]
    except (psycopg.Error, ServerUnreachableError):
        return False


def is_alone(target: Target) -> bool:
    """Whether the killed client's session has ended on the server, too."""
    found = target.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'",
        as_boss=True,
    )
    return found == [(0,)]


def newest(connection: Connection) -> str:
    return schemas.kept(connection)[-1].mark


def take_back(target: Target) -> None:
    """Bring back what was replaced last, and keep nothing but what that took out of service."""
    with target.open() as connection:
        schemas.bring_back(connection, newest(connection), errand())
        for each in schemas.kept(connection)[:-1]:
            schemas.drop(connection, each.mark)


def try_words(target: Target, act: Act, kill: Callable[[Target, Act, int], None], few: int | None) -> Counter[str]:
    """Kill an act at its words, and see each time that either nothing or all of it was done."""
    before = target.dump()
    count = words(target, act)
    after = target.dump()
    assert before != after
    outcomes: Counter[str] = Counter()
    for at in range(1, count + 1, max(1, count // few) if few else 1):
        take_back(target)
        assert target.dump() == before
        kill(target, act, at)
        until(lambda: is_alone(target), what="the killed session has ended")
        now = target.dump()
        assert now in (before, after), f"killed at word {at} of {count}"
        outcomes["old" if now == before else "new"] += 1
        if now == before:
            with target.open() as connection:
                act(connection)
        assert target.dump() == after
    return outcomes


CLIENT, SERVER = (killed_client, "the client"), (killed_server, "the server")
RENAMED, MOVED = ("", "renamed"), ("CREATE EXTENSION citext", "moved")
SOME, EVERY = (2, "some words"), (None, "every word")
WAYS = [
    (CLIENT, RENAMED, SOME, []),
    *((*way, SOME, [pytest.mark.thorough]) for way in ((SERVER, RENAMED), (CLIENT, MOVED), (SERVER, MOVED))),
    *((*way, EVERY, [pytest.mark.kills]) for way in product((CLIENT, SERVER), (RENAMED, MOVED))),
]


@pytest.fixture(scope="module")
def breakable(server: embedded.Server) -> Iterator[Ground]:
    """A server of its own: others would suffer from what is done to it."""
    with started() as made:
        yield Ground(boss=parse(made.url("postgres"), variable="a test's"), private=server)


@pytest.mark.parametrize(
    ("kill", "extension", "few"),
    [
        pytest.param(kill, extension, few, id=f"{moved}-{who}-{how}", marks=marks)
        for (kill, who), (extension, moved), (few, how), marks in WAYS
    ],
)
def test_a_kill_at_any_word_leaves_the_old_or_the_new(
    breakable: Ground,
    kill: Callable[[Target, Act, int], None],
    extension: str,
    few: int | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with breakable.target(OLD, before=extension) as target, breakable.built(target, NEW) as dump:

        def replace(connection: Connection) -> None:
            schemas.replace(connection, dump, errand())

        def bring_back(connection: Connection) -> None:
            schemas.bring_back(connection, newest(connection), errand())

        outcomes = try_words(target, replace, kill, few) + try_words(target, bring_back, kill, few)
    with capsys.disabled():
        print(f"\n  {sum(outcomes.values())} kill points: {dict(outcomes)}")  # noqa: T201 - how much was tried
    assert outcomes["old"] > 0


def test_a_kill_while_the_server_commits_leaves_all_of_it(breakable: Ground) -> None:
    """The only word after which the new is there is the last one: whoever is killed after it has done it."""
    with breakable.target(OLD) as target, breakable.built(target, NEW) as dump:
        old = target.dump()

        def replace_and_die(connection: Connection) -> None:
            schemas.replace(connection, dump, errand())
            os.kill(os.getpid(), signal.SIGKILL)

        killed_client(target, replace_and_die, -1)
        until(lambda: is_alone(target), what="the killed session has ended")
        assert target.dump() != old
        take_back(target)
        assert target.dump() == old


# Others who use the tables


@pytest.fixture(scope="module")
def ground(abroad: Server, server: embedded.Server) -> Ground:
    return Ground(boss=parse(abroad.url("postgres"), variable="a test's"), private=server)


def session(target: Target) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(target.app.url(target.clearance), application_name="uvicorn")


def test_who_holds_a_table_for_too_long_is_named_and_nothing_is_replaced(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOCK_WAIT_MS", 300)
    with ground.target(OLD) as target, ground.built(target, NEW) as dump, closing(session(target)) as other:
        old = target.dump()
        other.execute("INSERT INTO more.u VALUES (1)")
        with target.open() as connection, pytest.raises(LockTimeoutError, match=r"uvicorn \(app, pid \d+, idle in tr"):
            schemas.replace(connection, dump, errand())
        other.rollback()
        assert target.dump() == old
        with target.open() as connection:
            schemas.replace(connection, dump, errand())


def test_sessions_that_go_on_find_the_new_tables(ground: Ground) -> None:
    with ground.target(OLD) as target, ground.built(target, NEW) as dump, closing(session(target)) as other:
        other.autocommit = True
        for _ in range(7):  # the driver and the server have both made up their minds by then
            assert other.execute("SELECT v FROM t WHERE id = %s", [1]).fetchone() == ("old",)
        with target.open() as connection:
            schemas.replace(connection, dump, errand())
        assert other.execute("SELECT v FROM t WHERE id = %s", [1]).fetchone() == ("new",)
        other.execute("INSERT INTO more.u VALUES (1)")


def test_an_older_snapshot_sees_rows_and_not_an_empty_table(ground: Ground) -> None:
    with ground.target(OLD) as target, ground.built(target, NEW) as dump, closing(session(target)) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT 1")
        with target.open() as connection:
            schemas.replace(connection, dump, errand())
        assert other.execute("SELECT count(*), min(v) FROM t").fetchone() == (50, "new")


def test_what_others_write_meanwhile_is_kept_with_the_old(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the last moment the old tables are in service: what is committed to them comes back with them."""
    with ground.target(OLD) as target, ground.built(target, NEW) as dump:
        lock = waiting.lock_tables

        def written_before(connection: Connection, namespaces: list[int]) -> None:
            if any(row for row in connection.execute("SELECT 1 FROM pg_tables WHERE tablename = 't' LIMIT 2")):
                target.sql("INSERT INTO t VALUES (99, 'meanwhile')")
            lock(connection, namespaces)

        with target.open() as connection:
            monkeypatch.setattr(waiting, "try_tables", lambda *_: None)
            monkeypatch.setattr(waiting, "lock_tables", written_before)
            done = schemas.replace(connection, dump, errand())
        assert target.sql("SELECT count(*) FROM t") == [(50,)]
        monkeypatch.undo()
        ground.bring_back(target, done.mark)
        assert target.sql("SELECT v FROM t WHERE id = 99") == [("meanwhile",)]
