"""Alembic projects of other kinds than the sample, each as it is: configurations, version tables, programs."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbtasks.errors import RefusedError
from dbtasks.migration_errors import MigrationFailedError
from dbtasks.migrations import ledger
from dbtasks.migrations.history import read_history
from dbtasks.settings import MigrationSettings
from tests.server.abroad import abroad as abroad
from tests.server.road import Server, asked_name, project
from tests.server.shop import ASYNC_ENV, ENV, SETTINGS, Shop, has_greenlet

OWN_URL = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

with create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
RUN_ALEMBIC = """
import os
from alembic import command
from alembic.config import Config

command.{verb}(Config("alembic.ini"), "heads")
"""


def upgrade(shop: Shop, settings: MigrationSettings, **changes: Any) -> tuple[str, ...]:
    """Migrate to the heads, every history in its turn."""
    revisions = read_history(shop.root, settings).revisions
    applied: tuple[str, ...] = ()
    for each in settings.each:
        checksums = {revision.id: revision.checksum for revision in revisions if revision.id.startswith(each.prefix)}
        applied += shop.upgrade(settings=each, checksums=checksums, **changes)
    return applied


def rows(shop: Shop) -> list[tuple[str, str, str]]:
    with shop.connect() as connection:
        return [(row.revision, row.direction, row.checksum) for row in ledger.applied(connection)]


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_pyproject_alone_is_a_configuration(shop: Shop) -> None:
    (shop.root / "alembic.ini").unlink()
    (shop.root / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    shop.revision("CREATE TABLE a (id int)")
    assert upgrade(shop, replace(SETTINGS, config=Path("pyproject.toml"))) == ("r1",)


def test_a_version_table_of_another_name_in_another_schema_is_read_where_it_is(shop: Shop) -> None:
    shop.env(ENV.format(per_migration="True, version_table='versions', version_table_schema='meta'"))
    shop.revision("CREATE TABLE a (id int)")
    with shop.connect() as connection:
        connection.execute("CREATE SCHEMA meta; CREATE SCHEMA other; CREATE TABLE other.versions (version_num text)")
    settings = replace(SETTINGS, version_table="meta.versions")
    assert upgrade(shop, settings) == ("r1",)
    with shop.connect() as connection:
        assert ledger.standing(connection, settings.version_tables) == {"r1"}


def test_a_version_table_that_the_settings_do_not_name_is_refused_before_anything_runs(shop: Shop) -> None:
    shop.env(ENV.format(per_migration="True, version_table='versions'"))
    shop.revision("CREATE TABLE a (id int)")
    with pytest.raises(RefusedError) as refusal:
        upgrade(shop, SETTINGS)
    assert (refusal.value.code, refusal.value.saw) == (
        "E-VERSION-TABLE",
        "env.py keeps it as versions, not as alembic_version",
    )
    assert shop.value("SELECT to_regclass('a') IS NULL")


def test_an_env_py_inside_its_event_loop_can_leave_its_transaction_with_asyncpg(shop: Shop) -> None:
    ini = shop.root / "alembic.ini"
    ini.write_text(ini.read_text().replace("postgresql://", "postgresql+asyncpg://"))
    shop.env(ASYNC_ENV)
    shop.revision("CREATE TABLE a (id int)")
    shop.revision(
        code="with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY i ON a (id)')"
    )
    if not has_greenlet(SETTINGS.python or Path(sys.executable)):
        pytest.skip("SQLAlchemy's asynchronous engines need greenlet")
    assert upgrade(shop, SETTINGS) == ("r1", "r2")


def test_a_program_that_runs_alembic_itself_is_followed_like_alembic(shop: Shop) -> None:
    (shop.root / "move.py").write_text(RUN_ALEMBIC.format(verb="upgrade"))
    shop.env(OWN_URL)
    first, second = shop.revision("CREATE TABLE a (id int)"), shop.revision("CREATE TABLE b (id int)")
    settings = replace(SETTINGS, program=("move.py",))
    assert upgrade(shop, settings) == (first, second)
    folder = shop.root / "migrations" / "versions"
    assert rows(shop) == [(each, "upgrade", digest(folder / f"{each}.py")) for each in (first, second)]


def test_revisions_that_a_program_only_stamps_are_written_down_as_a_baseline(shop: Shop) -> None:
    (shop.root / "move.py").write_text(RUN_ALEMBIC.format(verb="stamp"))
    shop.env(OWN_URL)
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)")
    assert upgrade(shop, replace(SETTINGS, program=("move.py",))) == ("r1", "r2")
    assert [row[:2] for row in rows(shop)] == [("r1", "baseline"), ("r2", "baseline")]
    assert shop.current() == {"r2"}
    assert shop.value("SELECT to_regclass('a') IS NULL")


def test_a_program_that_never_runs_alembic_is_refused(shop: Shop) -> None:
    (shop.root / "move.py").write_text("print('nothing to do')\n")
    shop.revision("CREATE TABLE a (id int)")
    with pytest.raises(RefusedError) as refusal:
        upgrade(shop, replace(SETTINGS, program=("move.py",)))
    assert refusal.value.code == "E-PROGRAM"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (("move.py",), "move.py ended with exit status 3"),
        (("no-such-program",), "has no program no-such-program that a Python package installed"),
    ],
)
def test_a_program_that_fails_says_how(shop: Shop, program: tuple[str, ...], reason: str) -> None:
    (shop.root / "move.py").write_text("raise SystemExit(3)\n")
    shop.revision("CREATE TABLE a (id int)")
    with pytest.raises(MigrationFailedError) as failure:
        upgrade(shop, replace(SETTINGS, program=program))
    assert reason in failure.value.reason


FIRST = """
import os
from sqlalchemy import create_engine, text

with create_engine(os.environ["DATABASE_URL"]).begin() as connection:
    connection.execute(text("CREATE TABLE first (id int)"))
"""


def test_first_tables_are_made_once_before_the_first_revision_and_written_down(shop: Shop) -> None:
    first = shop.root / "first.py"
    first.write_text(FIRST)
    shop.revision("ALTER TABLE first ADD name text")
    settings = replace(SETTINGS, first=first)
    assert upgrade(shop, settings) == ("first.py", "r1")
    shop.revision("ALTER TABLE first ADD email text")
    assert upgrade(shop, settings) == ("r2",)
    assert rows(shop)[0] == ("first.py", "upgrade", digest(first))


def test_first_tables_that_were_not_finished_count_as_torn(shop: Shop) -> None:
    first = shop.root / "first.py"
    first.write_text(f"{FIRST}\nraise RuntimeError('half-way')\n")
    shop.revision("ALTER TABLE first ADD name text")
    settings = replace(SETTINGS, first=first)
    with pytest.raises(MigrationFailedError) as failure:
        upgrade(shop, settings)
    assert (failure.value.applied, failure.value.failed) == ((), "first.py")
    with pytest.raises(RefusedError) as refusal:
        upgrade(shop, settings)
    assert refusal.value.code == "E-REVISION-TORN"
    with shop.connect() as connection:
        connection.execute("DROP TABLE first")
    first.write_text(FIRST)
    assert upgrade(shop, settings, retry=("first.py",)) == ("first.py", "r1")


def test_first_tables_are_run_from_the_planned_bytes_only(shop: Shop) -> None:
    first = shop.root / "first.py"
    first.write_text(FIRST)
    shop.revision("ALTER TABLE first ADD name text")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade(settings=replace(SETTINGS, first=first), checksums={"first.py": "0" * 64, "r1": "0" * 64})
    assert refusal.value.code == "E-REVISION-CHANGED"
    assert shop.value("SELECT to_regclass('first') IS NULL")


def test_two_histories_whose_revisions_share_their_ids_are_told_apart(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    other = shop.root / "billing" / "versions"
    other.mkdir(parents=True)
    (other / "r1.py").write_text((shop.root / "migrations/versions/r1.py").read_text().replace("TABLE a", "TABLE b"))
    (shop.root / "billing" / "env.py").write_text(ENV.format(per_migration="True, version_table='billing'"))
    ini = shop.root / "alembic.ini"
    ini.write_text(f"{ini.read_text()}\n[billing]\nscript_location = %(here)s/billing\n")
    core = replace(SETTINGS, name="core")
    billing = replace(core, name="billing", section="billing", version_table="billing")
    settings = replace(SETTINGS, histories=(core, billing))
    assert upgrade(shop, settings) == ("core/r1", "billing/r1")
    assert rows(shop) == [
        ("core/r1", "upgrade", digest(shop.root / "migrations/versions/r1.py")),
        ("billing/r1", "upgrade", digest(other / "r1.py")),
    ]
    with shop.connect() as connection:
        assert ledger.standing(connection, settings.version_tables) == {"core/r1", "billing/r1"}
    assert upgrade(shop, settings) == ()


def test_a_ledger_of_an_earlier_dbtasks_takes_a_baseline(shop: Shop) -> None:
    narrow = ledger.CREATE.replace(", 'baseline'", "")
    with shop.connect() as connection:
        connection.execute(narrow)
        connection.execute(ledger.CREATE)
        connection.execute(
            "INSERT INTO dbtasks.ledger (revision, checksum, direction, started_at, person, entry, tool_version) "
            "VALUES ('r1', '', 'baseline', now(), 'anna', 1, '')"
        )
    assert rows(shop) == [("r1", "baseline", "")]


def test_what_alembic_applied_before_becomes_the_baseline_that_the_next_tier_takes_for_proof(abroad: Server) -> None:
    for tier in ("int", "stg"):
        abroad.database(f"old_{tier}")
        people = "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL UNIQUE)"  # as r1 makes it
        abroad.sql(f"{people}; CREATE TABLE alembic_version (version_num text)", f"old_{tier}")
    abroad.sql("CREATE TABLE lessons (teacher int); INSERT INTO alembic_version VALUES ('r2')", "old_int")
    abroad.sql("INSERT INTO alembic_version VALUES ('r1')", "old_stg")
    with project("old") as made:
        made.urls = {"test_database_url": abroad.url("old_int"), "stg_database_url": abroad.url("old_stg")}
        (made.root / "migrations/versions/r3.py").unlink()
        made.edit("migrations/versions/r2.py", "teacher int NOT NULL REFERENCES people", "teacher int")
        typed = [
            made.terminal(f"adopt --tier={tier}", lambda shown: f"{asked_name(shown)}\n") for tier in ("int", "stg")
        ]
        assert [each.code for each in typed] == [0, 0], typed
        assert "would note      2 revisions to r2 as there already" in typed[0].out
        assert "baseline  1 revision to r1, by the bytes that they have now" in typed[1].out

        migrated = made.invoke("migrate --tier=stg")
        made.edit("migrations/versions/r2.py", "teacher int", "teacher bigint")
        abroad.sql("UPDATE alembic_version SET version_num = 'r1'; DROP TABLE lessons", "old_stg")
        edited = made.invoke("migrate --tier=stg")
        abroad.sql("UPDATE alembic_version SET version_num = 'f00d'", "old_stg")
        planned, ahead = made.invoke("adopt --tier=stg --dry-run"), made.invoke("adopt --tier=stg")

    assert migrated.code == 0, migrated.text
    assert abroad.sql("SELECT revision, direction FROM dbtasks.ledger ORDER BY id", "old_stg") == [
        ("r1", "baseline"),
        ("r2", "upgrade"),
    ]
    assert (edited.code, "E-NOT-PROVEN" in edited.err) == (3, True), edited.text
    assert (planned.code, ahead.code) == (0, 0), ahead.text
    assert "no baseline     it is at f00d, which this code does not have" in planned.err
    assert "baseline  none, since this code does not have f00d. Check out the commit that has it, then: " in ahead.err
