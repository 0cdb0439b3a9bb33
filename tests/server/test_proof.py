"""Proof in order: what reaches PROD only after STG, what the refusal shows, and the walk through all tiers."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Server, nothing_changes, project, said, until

pytestmark = pytest.mark.timeout(180)
ARMED = {"USE_PROD_DATABASE": "true"}


@pytest.fixture(scope="module")
def shop(abroad: Server) -> Iterator[Project]:
    """A project whose three tiers are at head, and whose revisions can all be taken back."""
    abroad.role("prover", "CREATEDB")
    abroad.database("wares_prod", "prover")
    with project("wares") as made:
        made.urls = {
            variable: abroad.url(name, "prover")
            for variable, name in (
                ("test_database_url", "wares_int"), ("stg_database_url", "wares_stg"), ("database_url", "wares_prod"),
            )
        }  # fmt: skip
        made.with_keys()
        for id_, made_by_it in (("r1", "TABLE people"), ("r2", "TABLE lessons"), ("r3", "INDEX lessons_by_teacher")):
            take_back_by(made.root / f"migrations/versions/{id_}.py", made_by_it)
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        yield made


def take_back_by(path: Path, dropping: str) -> Path:
    path.write_text(f"{path.read_text()}\n\ndef downgrade():\n    op.execute('DROP {dropping}')\n")
    return path


def new_revision(shop: Project) -> tuple[str, str, Path]:
    """Write the next revision; return its name, that of the one before, and its file."""
    number = max(int(path.stem[1:]) for path in (shop.root / "migrations/versions").glob("r*.py")) + 1
    path = shop.revision(f"r{number}", f"op.execute('CREATE TABLE table_{number} (id int PRIMARY KEY)')")
    return f"r{number}", f"r{number - 1}", take_back_by(path, f"TABLE table_{number}")


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def at(abroad: Server, database: str) -> list[str]:
    return abroad.sql("SELECT version_num FROM alembic_version", database)


def row(shown: str, revision: str) -> list[str]:
    """Return a table's cells for a revision."""
    return next(line.split() for line in shown.splitlines() if line.strip().startswith(f"{revision} "))


def test_a_revision_edited_after_stg_has_it_is_refused_on_prod_with_both_checksums(
    shop: Project, abroad: Server
) -> None:
    name, _, path = new_revision(shop)
    assert shop.invoke("migrate --through=stg").code == 0
    old, text = checksum(path), path.read_text()
    path.write_text(text.replace("id int PRIMARY KEY", "id bigint PRIMARY KEY"))

    with nothing_changes(abroad, "wares_prod"):
        done = shop.terminal("migrate --tier=prod", **ARMED)

    new = checksum(path)
    path.write_text(text)
    assert done.code == 3, done.out
    assert "refused (E-NOT-PROVEN)" in done.out
    assert f"{name}.py was edited since STG ran it: {old[:12]} then, {new[:12]} now." in done.out
    assert row(done.out, "revision") == ["revision", "file", "INT", "STG", "PROD"]
    assert row(done.out, name) == [name, new[:12], old[:12], old[:12], "pending"]
    done = shop.prod("migrate --tier=prod")
    assert done.code == 0, done.out
    assert at(abroad, "wares_prod") == [name]


@pytest.mark.thorough
def test_a_tier_that_took_a_revision_back_has_not_proven_it_any_more(shop: Project, abroad: Server) -> None:
    name, before, _ = new_revision(shop)
    assert shop.invoke("migrate --through=stg").code == 0

    unnamed = shop.invoke("downgrade --tier=stg")
    blind = shop.invoke(f"downgrade --tier=stg --to={before}")
    back = shop.terminal(f"downgrade --tier=stg --to={before}", "wares_stg\n")
    prod = shop.terminal("migrate --tier=prod", **ARMED)

    assert [each.code for each in (unnamed, blind, back, prod)] == [2, 3, 0, 3], prod.out
    assert "E-NO-ANSWER" in blind.text
    assert f"would take back 1 revision, down to {before}" in back.out
    assert f"downgrade 1 revision taken back, down to {before}" in back.out
    assert at(abroad, "wares_stg") == [before]
    rows = abroad.sql("SELECT revision, direction FROM dbtasks.ledger ORDER BY id", "wares_stg")
    assert [tuple(each) for each in rows if each[0] == name] == [(name, "upgrade"), (name, "downgrade")]
    assert row(prod.out, name)[2:] == ["same", "taken", "back", "pending"]
    assert "To prove them first: invoke migrate --through=stg" in prod.out
    assert shop.last_entry()["outcome"] == "E-NOT-PROVEN"
    again = shop.invoke("migrate --through=stg")
    assert again.code == 0, again.text
    assert at(abroad, "wares_stg") == [name]


def test_prod_takes_back_only_what_a_rehearsal_has_shown(shop: Project, abroad: Server) -> None:
    name, before, _ = new_revision(shop)
    assert shop.invoke("migrate --through=stg").code == 0
    assert shop.prod("migrate --tier=prod").code == 0
    abroad.sql(f"INSERT INTO table_{name[1:]} VALUES (1), (2), (3)", "wares_prod")  # noqa: S608 - our own name
    shop.edit("config/tiers.yaml", "# scratch: scratch_database_url", "scratch: scratch_database_url")
    nowhere = {"scratch_database_url": "postgresql://nobody:x@127.0.0.1:1/none"}

    with nothing_changes(abroad, "wares_prod"):
        blind = shop.terminal(f"downgrade --tier=prod --to={before}", **ARMED, **nowhere)
    shop.edit("config/tiers.yaml", "scratch: scratch_database_url", "# scratch: scratch_database_url")
    shown = shop.prod(f"downgrade --tier=prod --to={before}")

    assert (blind.code, "E-NOT-REHEARSED" in blind.out) == (3, True), blind.out
    card, _, rest = shown.out.partition("Type 'yes' to confirm production access:")
    assert shown.code == 0, shown.out
    assert f"drops table_{name[1:]}: 3 rows" in card
    assert "rehearsed" in card
    assert "1 revision taken back" in rest
    assert at(abroad, "wares_prod") == [before]


HIDING = """
op.execute('CREATE TABLE hidden_{number} (id int PRIMARY KEY, word text)')
op.execute('ALTER TABLE hidden_{number} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY')
op.execute('CREATE POLICY odd ON hidden_{number} USING (id % 2 = 1)')
"""


def test_a_loss_that_can_be_neither_counted_nor_estimated_is_refused_before_anybody_is_asked(
    shop: Project, abroad: Server
) -> None:
    name, _, path = new_revision(shop)
    table = f"hidden_{name[1:]}"
    shop.revision(name, HIDING.format(number=name[1:]))
    take_back_by(path, f"TABLE {table}")
    assert shop.invoke("migrate --through=stg").code == 0
    abroad.sql(f"INSERT INTO {table} SELECT n, 'x' FROM generate_series(1, 4) n", "wares_stg")  # noqa: S608 - ours
    abroad.sql("SELECT 1 FROM pg_stat_reset()", "wares_stg")
    name, _, path = new_revision(shop)
    shop.revision(name, f"op.execute('ALTER TABLE {table} DROP COLUMN word')")
    path.write_text(f"{path.read_text()}\n\ndef downgrade():\n    pass\n")
    assert shop.invoke("migrate --tier=int").code == 0

    with nothing_changes(abroad, "wares_stg"):
        refused = shop.terminal("migrate --tier=stg")
    abroad.sql(f"ANALYZE {table}", "wares_stg")
    # Nor can such a role take a backup of it.
    agreed = shop.terminal("migrate --tier=stg --no-backup-because=hidden", "wares_stg\n")
    shown, _, path = new_revision(shop)  # for the tests that come after: theirs can
    shop.revision(shown, f"op.execute('ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY')")
    path.write_text(f"{path.read_text()}\n\ndef downgrade():\n    pass\n")
    assert shop.invoke("migrate --through=stg").code == 0

    assert (refused.code, agreed.code) == (3, 0), f"{refused.out}\n{agreed.out}"
    assert "refused (E-UNCOUNTED)" in refused.out
    assert f"drops {table}.word: values, how many could not be counted." in refused.out
    assert "to go on" not in refused.out
    assert f"data at risk    drops {table}.word: about 4 values ({name}); consent covers up to 10" in agreed.out


def test_a_downgrade_on_int_asks_nobody_and_goes_down_to_base(shop: Project, abroad: Server) -> None:
    assert shop.invoke("reset --tier=int").code == 0
    (head,) = at(abroad, "wares_int")

    some = shop.invoke("downgrade --to=r2 --format=json")
    unknown = shop.invoke(f"downgrade --to={head}")
    rest = shop.invoke("downgrade --to=base")

    number = int(head[1:])
    assert said(some)["result"] == {"taken_back": [f"r{n}" for n in range(number, 2, -1)], "heads": ["r2"]}
    assert (unknown.code, f"'{head}' is not applied here" in unknown.err) == (2, True), unknown.text
    assert rest.code == 0, rest.text
    assert at(abroad, "wares_int") == []


STAYS_AWAY = """
def upgrade():
    op.execute("CREATE INDEX {index} ON lessons (title)")


def downgrade():
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY {index}")
        open("away", "w").close()
        time.sleep(60 if os.environ.get("STAY") else 0)
"""


def test_a_downgrade_killed_outside_of_its_transaction_goes_on_by_the_command_that_is_named(
    shop: Project, abroad: Server
) -> None:
    assert shop.invoke("migrate --tier=int").code == 0
    name, before, path = new_revision(shop)
    index = f"index_{name[1:]}"
    path.write_text(path.read_text().partition("def upgrade")[0] + STAYS_AWAY.format(index=index))
    assert shop.invoke("migrate --tier=int").code == 0
    run = shop.start(f"downgrade --tier=int --to={before}", STAY="1")
    until((shop.root / "away").exists, what="the downgrade is outside of its transaction")

    run.kill()
    run.communicate(timeout=60)
    until(lambda: not abroad.sql("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'dbtasks%'", "wares_int"))
    status = said(shop.invoke("status --tier=int --format=json"))["tiers"][0]
    up, down = shop.invoke("migrate --tier=int"), shop.invoke(f"downgrade --tier=int --to={before}")
    wrong = shop.invoke(f"migrate --tier=int --retry={name}")

    again = f"downgrade --tier=int --to={before} --retry={name}"
    assert at(abroad, "wares_int") == [name]
    assert status["problem"] == f"revision {name} left its transaction and did not come back"
    for refused in (up, down, wrong):
        assert refused.code == 3, refused.text
        assert "refused (E-REVISION-TORN)" in refused.err
        assert f"then: invoke {again}\n" in refused.err
    abroad.sql(f"CREATE INDEX {index} ON lessons (title)", "wares_int")
    back, forth = shop.invoke(again), shop.invoke("migrate --tier=int")
    assert (back.code, forth.code) == (0, 0), f"{back.text}\n{forth.text}"
    rows = abroad.sql("SELECT revision, direction, duration_ms IS NULL FROM dbtasks.ledger ORDER BY id", "wares_int")
    assert rows[-3:] == [(name, "upgrade", False), (name, "downgrade", False), (name, "upgrade", False)]


def test_a_downgrade_that_fails_says_what_is_still_there(shop: Project, abroad: Server) -> None:
    head, _, _ = new_revision(shop)
    name, _, path = new_revision(shop)
    assert shop.invoke("reset --tier=int").code == 0
    abroad.sql(f"DROP TABLE table_{head[1:]}", "wares_int")

    done = shop.invoke("downgrade --to=r2")

    path.unlink()
    assert done.code == 1, done.text
    assert f"Downgrade stopped at revision {head}: Undefined" in done.err
    assert f"  taken back   {name}\n  still there  {head}" in done.err
    assert "mend it, then: invoke downgrade --tier=int --to=r2" in done.err
    assert at(abroad, "wares_int") == [head]
    entry = shop.last_entry()
    assert (entry["outcome"], entry["detail"]["taken_back"]) == ("partial", [name])


def test_a_walk_that_stops_says_what_was_done_until_then(shop: Project) -> None:
    assert shop.invoke("reset --tier=int").code == 0
    edited = shop.root / "migrations/versions/r2.py"
    text = edited.read_text()
    edited.write_text(f"{text}# edited since\n")
    name, _, path = new_revision(shop)

    done = shop.invoke("migrate --through=stg --format=json")

    edited.write_text(text)
    path.unlink()
    assert done.code == 3, done.text
    document = said(done)
    assert document["error"]["code"] == "E-HISTORY"
    assert [(each["tier"], each["verdict"]) for each in document["tiers"]] == [("int", "done"), ("stg", "stopped")]
    assert document["tiers"][0]["result"]["applied"] == [name]
    assert f"  so far       INT done ({name}) · STG stopped" in done.err
    assert document["error"]["proof"]["findings"] == [
        {"fault": "edited since it ran here", "tier": "stg", "revisions": ["r2"]}
    ]
    assert shop.invoke("reset --tier=int").code == 0


def test_a_walk_that_fails_half_way_says_what_stands_in_each_tier(shop: Project, abroad: Server) -> None:
    assert shop.invoke("migrate --through=stg").code == 0  # another test may have left INT at base
    first, _, _ = new_revision(shop)
    second, _, path = new_revision(shop)
    only_there = "op.execute(\"SELECT 1 / (current_database() <> 'wares_stg')::int\")"
    path.write_text(path.read_text().replace("def upgrade():\n", f"def upgrade():\n    {only_there}\n"))

    done = shop.invoke("migrate --through=stg --format=json")

    path.unlink()
    document = said(done)
    assert done.code == 1, done.text
    assert f"Migration stopped at revision {second}: DivisionByZero" in done.err
    assert f"  applied      {first}\n  not applied  {second}\n" in done.err
    assert f"  so far       INT done ({first}, {second}) · STG stopped" in done.err
    assert [(each["tier"], each["verdict"]) for each in document["tiers"]] == [("int", "done"), ("stg", "stopped")]
    assert at(abroad, "wares_stg") == [first]
    assert shop.last_entry()["outcome"] == "partial"
    assert shop.invoke("reset --tier=int").code == 0


MODELS = """
from sqlalchemy import Column, Integer, MetaData, Table, Text

metadata = MetaData()
Table("people", metadata, Column("id", Integer, primary_key=True), Column("name", Text, nullable=False, unique=True))
"""
CHECK = """
import os, sys
import psycopg

print("the check says this on standard output, which is for data")
tier = os.environ["DBTASKS_HANDED_TIER"]
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    try:
        connection.execute("CREATE TABLE written_by_a_check (id int)")
    except psycopg.errors.ReadOnlySqlTransaction:
        sys.exit(3 if sys.stdin.read() or os.path.exists(f"fail-{tier}") else 0)
sys.exit(4)
"""


@pytest.fixture
def modelled(shop: Project) -> Iterator[Project]:
    """The project with models of one table, and a check of its own."""
    env, tiers = shop.root / "migrations/env.py", shop.root / "config/tiers.yaml"
    before = env.read_text(), tiers.read_text()
    shop.file("models.py", MODELS)
    shop.file("check.py", CHECK)
    only = "include_name=lambda name, kind, parents: kind != 'table' or name == 'people'"
    env.write_text(
        "import sys\nsys.path.insert(0, '.')\nimport models\n"
        + before[0].replace(
            "connection=connection,", f"connection=connection, target_metadata=models.metadata, {only},"
        )
    )
    shop.edit("config/tiers.yaml", "  ignore_models: false", f"  check: [{sys.executable}, check.py]")
    assert shop.invoke("reset --tier=int").code == 0
    yield shop
    env.write_text(before[0])
    tiers.write_text(before[1])


def test_a_walk_stops_at_a_tier_whose_models_ask_for_more(modelled: Project) -> None:
    modelled.edit("models.py", "unique=True)", 'unique=True), Column("nickname", Text)')

    done = modelled.invoke("migrate --through=stg --format=json")

    document = said(done)
    assert done.code == 1, done.text
    assert document["error"]["code"] == "TierNotProvenError"
    assert "  add_column people.nickname\n" in done.err
    assert [(each["tier"], each["verdict"]) for each in document["tiers"]] == [("int", "stopped"), ("stg", "not asked")]
    assert modelled.last_entry()["outcome"] == "failed"


@pytest.mark.thorough
def test_a_walk_asks_for_no_tier_after_one_that_fails_the_applications_check(modelled: Project) -> None:
    new_revision(modelled)
    (modelled.root / "fail-stg").touch()

    failed = modelled.invoke("migrate --through=prod --format=json", **ARMED)
    status = said(modelled.invoke("status --tier=stg --format=json"))["tiers"][0]
    alone, still = modelled.terminal("migrate --tier=prod", **ARMED), modelled.invoke("migrate --tier=stg")
    (modelled.root / "fail-stg").unlink()
    mended = modelled.invoke(status["instead"].partition("invoke ")[2])
    proven = modelled.invoke("migrate --tier=prod --dry-run", **ARMED)
    passed = modelled.invoke("migrate --through=stg --format=json")

    document, check = said(failed), f"{sys.executable} check.py"
    assert (alone.code, still.code, mended.code) == (3, 1, 0), f"{alone.out}\n{still.text}\n{mended.text}"
    assert "refused (E-NOT-PROVEN)" in alone.out
    assert f"STG, the tier before, is failing: its check ended with 3: {check}." in alone.out
    assert status["problem"] == f"not proven: its check ended with 3: {check}"
    assert "E-NOT-PROVEN" not in proven.text
    assert failed.code == 1, failed.text
    assert f"wares_stg is at head and not proven: its check ended with 3: {check}" in failed.err
    assert "INT done" in failed.err
    assert "STG stopped · PROD not asked" in failed.err
    assert document["tiers"][0]["result"]["proven"] == ["models match", f"{check} passed"]
    assert passed.code == 0, passed.text
    assert [each["result"]["proven"] for each in said(passed)] == [["models match", f"{check} passed"]] * 2
