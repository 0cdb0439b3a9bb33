"""Locks that somebody else has: waited for shortly, told by name, tried again; and what leaves its transaction."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from dbtasks.errors import LockTimeoutError, RefusedError
from dbtasks.migration_errors import MigrationFailedError
from dbtasks.migrations import events, ledger
from dbtasks.migrations.events import TriedAgain
from tests.server.shop import ASYNC_ENV, ENV, SETTINGS, Shop, has_greenlet

PER_REVISION = ENV.format(per_migration=True)
HELD = "BEGIN; SET LOCAL application_name = 'long report'; LOCK TABLE a IN ACCESS SHARE MODE"


@contextmanager
def at_the_same_time(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def with_table(shop: Shop) -> None:
    shop.env(PER_REVISION)
    shop.revision("CREATE TABLE a (id int)")
    shop.upgrade()
    shop.reported.clear()


WAITING = "SELECT pid FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"


@pytest.mark.parametrize(
    ("lock_timeout_ms", "held_up"),
    [
        pytest.param(300, False, id="a short wait"),
        pytest.param(40_000, True, id="a long one", marks=pytest.mark.thorough),
    ],
)
def test_what_gets_no_lock_is_tried_again_and_others_wait_no_longer_than_it_does(
    shop: Shop, lock_timeout_ms: int, held_up: bool
) -> None:
    with_table(shop)
    shop.revision("CREATE TABLE b (id int)")
    shop.revision("ALTER TABLE a ADD COLUMN name text")
    shop.revision("CREATE TABLE c (id int)")
    failures, reads, seen, done = 0, 0, set[int](), threading.Event()

    def read() -> None:
        nonlocal failures, reads
        with shop.connect() as reader:
            reader.execute("SET lock_timeout = '2s'")  # whoever is held up by the migration longer than it may wait
            while not done.is_set():
                try:
                    reader.execute("SELECT count(*) FROM a")
                    reads += 1
                except psycopg.errors.LockNotAvailable:
                    failures += 1

    def release() -> None:
        with shop.connect() as look:
            while len(seen) < 3 and not failures and not done.is_set():
                seen.update(row[0] for row in look.execute(WAITING))
        blocker.execute("COMMIT")

    with shop.connect() as blocker:
        blocker.execute(HELD)
        with at_the_same_time(read), at_the_same_time(release):
            try:
                applied = shop.upgrade(lock_timeout_ms=lock_timeout_ms, tries=20)
            finally:
                done.set()

    assert applied == ("r2", "r3", "r4")
    assert shop.ledger() == ["r1", "r2", "r3", "r4"]
    assert reads > 0
    assert (failures > 0) is held_up
    again = [(event.revision, event.number, event.tries) for event in shop.reported if isinstance(event, TriedAgain)]
    assert again[:2] == ([] if held_up else [("r3", 2, 20), ("r3", 3, 20)])


def test_who_has_the_lock_is_named_while_it_is_waited_for_and_when_it_is_given_up(shop: Shop) -> None:
    with_table(shop)
    shop.revision("CREATE TABLE b (id int)")
    shop.revision("ALTER TABLE a ADD COLUMN name text")
    with shop.connect() as blocker:
        blocker.execute(HELD)
        with pytest.raises(MigrationFailedError) as failure:
            shop.upgrade(lock_timeout_ms=300, tries=2)
        named = f"pid {blocker.backend_pid}, role postgres, long report, idle in transaction, in a transaction since "

    told = [event for event in shop.reported if isinstance(event, events.Blocked)]
    assert {event.revision for event in told} == {"r3"}
    assert all(each.startswith(named) for event in told for each in event.by)
    assert (failure.value.applied, failure.value.failed, failure.value.pending) == (("r2",), "r3", ())
    assert failure.value.reason == (
        "LockNotAvailable: canceling statement due to lock timeout (SQLSTATE 55P03), in try 2 of 2"
    )
    assert failure.value.notes["blocked by"].startswith(named)
    assert failure.value.notes["next"] == "when they have ended: invoke migrate"
    assert shop.upgrade() == ("r3",)


@pytest.mark.thorough
def test_of_two_that_lock_each_other_out_the_migration_is_tried_again(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)", "CREATE TABLE b (id int)")
    shop.upgrade()
    shop.reported.clear()
    # The revision waits for the other one with a lock that the other one then wants, and is the first to notice.
    shop.revision(
        "SET LOCAL deadlock_timeout = '100ms'",
        "ALTER TABLE b ADD COLUMN name text",
        "SELECT pg_advisory_xact_lock(4711)",
        "ALTER TABLE a ADD COLUMN name text",
    )
    with shop.connect() as other:
        other.execute("SELECT pg_advisory_lock(4711)")

        def cross() -> None:
            waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
            with shop.connect() as look:
                while not look.execute(waits).rows:
                    pass
            other.execute("SET deadlock_timeout = '20s'")
            other.execute("BEGIN; LOCK TABLE a IN ACCESS SHARE MODE; SELECT pg_advisory_unlock(4711)")
            other.execute("LOCK TABLE b IN ACCESS SHARE MODE; COMMIT")

        with at_the_same_time(cross):
            assert shop.upgrade(lock_timeout_ms=20_000, tries=3) == ("r2",)
    assert shop.kinds().count("TriedAgain") == 1
    assert shop.ledger() == ["r1", "r2"]


def test_any_other_error_is_not_tried_again(shop: Shop) -> None:
    shop.revision("SELECT 1/0")
    with pytest.raises(MigrationFailedError):
        shop.upgrade(tries=5)
    assert "TriedAgain" not in shop.kinds()


def test_somebody_who_comes_between_two_tries_is_named_with_what_stands(shop: Shop) -> None:
    with_table(shop)
    shop.revision("CREATE TABLE b (id int)")
    shop.revision("ALTER TABLE a ADD COLUMN name text")
    with shop.connect() as blocker, shop.connect() as other:
        blocker.execute(HELD)

        def come_between() -> None:
            other.execute("SET application_name = 'night job'")
            gate = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
            while not other.execute(gate, [ledger.GATE]).rows:
                pass
            other.execute(f"SELECT pg_advisory_lock({ledger.LOCK_CLASS}, {ledger.GATE})")

        with at_the_same_time(come_between), pytest.raises(MigrationFailedError) as failure:
            shop.upgrade(lock_timeout_ms=300, lock_wait_s=0.3, tries=9)
    assert (failure.value.applied, failure.value.failed, failure.value.pending) == (("r2",), None, ("r3",))
    assert failure.value.reason.startswith("between two tries somebody else migrates ")
    assert "night job" in failure.value.reason


def test_a_statement_takes_as_long_as_the_tier_says(shop: Shop) -> None:
    shop.revision("SELECT pg_sleep(30)")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade(statement_timeout_ms=200)
    assert "SQLSTATE 57014" in failure.value.reason
    limits = "SELECT current_setting('statement_timeout') || current_setting('lock_timeout')"
    shop.revision(code=f"print('LIMITS', op.get_bind().exec_driver_sql(\"{limits}\").scalar())")
    (shop.root / "migrations/versions/r1.py").write_text(
        (shop.root / "migrations/versions/r1.py").read_text().replace("pg_sleep(30)", "1")
    )
    assert shop.upgrade(statement_timeout_ms=7_000, lock_timeout_ms=900) == ("r1", "r2")
    assert "LIMITS 7s900ms" in shop.log()


# What leaves its transaction

LEAVING = {
    "commit as text": "op.execute('COMMIT')",
    "commit of the connection": "op.get_bind().commit()",
    "an autocommit block": "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')",
    "a connection of its own": "with op.get_bind().engine.begin() as other:\n    other.execute(sa.text('SELECT 1'))",
}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=name, marks=[pytest.mark.thorough] * (number > 0))
        for number, (name, code) in enumerate(LEAVING.items())
    ],
)
def test_a_revision_that_left_its_transaction_is_torn_and_never_tried_again(shop: Shop, code: str) -> None:
    with_table(shop)
    shop.revision("CREATE TABLE b (id int)", code=f"{code}\nop.execute('ALTER TABLE a ADD COLUMN name text')")
    with shop.connect() as blocker:
        blocker.execute(HELD)
        with pytest.raises(MigrationFailedError) as failure:
            shop.upgrade(lock_timeout_ms=300, tries=3)
    assert "TriedAgain" not in shop.kinds()
    assert failure.value.leftovers == ("whatever r2 did outside of a transaction; no index is invalid",)
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.code == "E-REVISION-TORN"


AUTOCOMMIT = PER_REVISION.replace("poolclass=pool.NullPool", "poolclass=pool.NullPool, isolation_level='AUTOCOMMIT'")


def test_where_env_py_commits_each_statement_a_failed_revision_is_torn(shop: Shop) -> None:
    shop.env(AUTOCOMMIT)
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)", "SELECT 1/0")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.applied, failure.value.failed) == (("r1",), "r2")
    assert failure.value.leftovers == ("whatever r2 did outside of a transaction; no index is invalid",)
    with shop.connect() as connection:
        assert ledger.torn(connection) == ("r2",)
    assert (shop.current(), shop.ledger()) == (frozenset({"r1"}), ["r1"])


def test_a_concurrent_index_waits_for_old_transactions_longer_than_for_a_lock(shop: Shop) -> None:
    with_table(shop)
    limit = "SELECT current_setting('lock_timeout')"
    shop.revision(
        code="with op.get_context().autocommit_block():\n"
        "    op.execute('CREATE INDEX CONCURRENTLY ix ON a (id)')\n"
        f"    print('LIMIT', op.get_bind().exec_driver_sql(\"{limit}\").scalar())"
    )
    with shop.connect() as blocker:
        blocker.execute("BEGIN; INSERT INTO a VALUES (1)")
        with at_the_same_time(lambda: blocker.execute("SELECT pg_sleep(1.5); COMMIT") and None):
            assert shop.upgrade(lock_timeout_ms=300) == ("r2",)
    assert "LIMIT 300ms" in shop.log()
    assert shop.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") is True


def test_an_asynchronous_env_py_may_have_autocommit_blocks(shop: Shop) -> None:
    shop.env(ASYNC_ENV)
    shop.revision(
        "CREATE TABLE a (id int)",
        code="with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY ix ON a (id)')",
    )
    if not has_greenlet(SETTINGS.python or Path(sys.executable)):
        pytest.skip("SQLAlchemy's asynchronous engines need greenlet")
    assert shop.upgrade() == ("r1",)
    assert shop.ledger() == ["r1"]


def test_the_lock_of_the_migration_is_bounded_by_the_tiers_wait(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with shop.connect() as holder:
        holder.execute(f"SELECT pg_advisory_lock({ledger.LOCK_CLASS}, {ledger.GATE})")
        with pytest.raises(LockTimeoutError):
            shop.upgrade(lock_wait_s=0.2, tries=5)
    assert shop.kinds().count("LockWait") == 1
