"""The drill: what a frightened person does after a mistake, from a reset to a recovery, through the tasks."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from dbtasks.programs import find_client
from tests import outside
from tests.server import road
from tests.server.road import INVOKE, Project, project, said, without_sequences

pytestmark = pytest.mark.timeout(300)

STG_ENDS = "    embedded: durable\n"
DROPS = "op.execute('ALTER TABLE lessons DROP COLUMN title')"


@pytest.fixture(scope="module")
def drill() -> Iterator[Project]:
    """A project on the private servers; the durable one, where STG lives, archives from its first start."""
    with project("drill") as made:
        for tier in ("int", "stg"):
            assert made.invoke(f"reset --tier={tier}").code == 0
        yield made


@pytest.fixture
def url(drill: Project) -> str:
    """STG as it is first, with one row that people wrote."""
    assert drill.invoke("reset --tier=stg --yes").code == 0
    where = drill.server_url("stg", "drill_stg")
    write(where, "INSERT INTO people VALUES (7, 'written before')")
    return where


def dump(url: str) -> str:
    """What STG holds, but for the row that says which database it is: a restored one is another."""
    return road.dump(url, "--exclude-table-data=dbtasks.identity")


def write(url: str, *statements: str) -> None:
    with outside.connect(url, autocommit=True) as session:
        for statement in statements:
            session.execute(statement)


def names(url: str) -> set[str]:
    with outside.connect(url) as session:
        return {str(row[0]) for row in session.execute("SELECT name FROM people").rows or []}


def databases(url: str) -> set[str]:
    with outside.connect(url) as session:
        return {str(row[0]) for row in session.execute("SELECT datname FROM pg_database").rows or []}


def result(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.text
    return dict(said(done)["result"])


def entry_of(done: Any) -> int:
    assert done.code == 0, done.text
    return int(said(done)["entry"])


@pytest.mark.thorough
def test_a_reset_by_mistake_is_undone_and_what_was_written_after_it_is_kept_aside(drill: Project, url: str) -> None:
    before = dump(url)
    drill.invoke("reset --tier=stg --yes")
    write(url, "INSERT INTO people VALUES (8, 'written after')")
    after = dump(url)

    assert drill.invoke("undo --tier=stg --yes").code == 0
    assert dump(url) == before
    assert "written before" in names(url)
    assert "written after" not in names(url)
    assert drill.invoke("undo --tier=stg --yes").code == 0  # and nothing of what came after is lost
    assert dump(url) == after


def test_a_recovery_beside_the_live_server_shows_what_is_different_and_brings_it_back(drill: Project, url: str) -> None:
    before = dump(url)
    entry = entry_of(drill.invoke("reset --tier=stg --yes --format=json"))
    write(url, "INSERT INTO people VALUES (8, 'written after')")
    live = dump(url)

    found = result(drill.invoke(f"recover --tier=stg --before={entry} --format=json"))
    assert dump(url) == live  # the live one was looked at, and no more
    counts = {each["table"]: (each["only_there"], each["only_here"]) for each in found["differences"]}
    assert counts == {"people": (1, 1)}
    recovered = found["recovered"]
    try:
        assert recovered["cluster_name"].startswith("dbtasks-recovered-")
        there = f"postgresql://{recovered['superuser']}@/drill_stg?host={recovered['socket']}&port={recovered['port']}"
        assert names(there) == names(url) - {"written after"} | {"written before"}
    finally:
        ended = drill.invoke(f"recover --end={recovered['id']}")
    assert ended.code == 0

    restored = drill.invoke(f"restore --tier=stg --backup={found['backup']['id']} --yes")
    assert restored.code == 0, restored.text
    assert without_sequences(dump(url)) == without_sequences(before)


@pytest.mark.usefixtures("url")
def test_a_point_that_cannot_be_meant_is_told_before_anything_is_done(drill: Project) -> None:
    entry = entry_of(drill.invoke("reset --tier=stg --yes --format=json"))
    elsewhere = {"stg_database_url": drill.server_url("int", "drill_int")}
    asked: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("--to=0001-01-01T00:00", "no server has a log of 0001-01-01T00:00", {}),
        (f"--to={'x' * 64}", "expected a time, a position or a restore point's name", {}),
        ("--before=99999", "in the trail of the machine and the folder that they were made from", {}),
        (f"--before={entry}", "was put into the log of another server than [STG] leads to now", elsewhere),
    )
    for words, told, environ in asked:
        done = drill.invoke(f"recover --tier=stg {words}", **environ)
        assert (done.code, told in done.text) == (2, True), done.text


@pytest.mark.thorough
def test_tables_come_back_alone_and_rows_written_since_stay(drill: Project, url: str) -> None:
    taken = result(drill.invoke("backup --tier=stg --format=json"))["backup"]["id"]
    write(url, "UPDATE people SET name = 'damaged' WHERE id = 7", "INSERT INTO people VALUES (8, 'written after')")
    write(url, "DELETE FROM lessons")

    done = drill.invoke(f"restore --tier=stg --backup={taken} --table=people,lessons --yes --format=json")
    copied = {each["table"]: each for each in result(done)["copied"]}

    assert names(url) >= {"written before", "written after"}
    assert (copied["people"]["changed"], copied["lessons"]["added"]) == (1, 2)
    undone = drill.invoke(f"undo --tier=stg --entry={said(done)['entry']} --yes")  # by the backup taken before it
    assert undone.code == 0, undone.text
    assert names(url) >= {"damaged", "written after"}


def test_a_backup_becomes_a_database_beside_and_nothing_of_the_tier_changes(drill: Project, url: str) -> None:
    taken = result(drill.invoke("backup --tier=stg --format=json"))["backup"]["id"]
    write(url, "INSERT INTO people VALUES (8, 'written after')")
    live = road.dump(url)

    done = drill.invoke(f"restore --tier=stg --backup={taken} --into=back_then --format=json")

    assert result(done)["restored"]["database"] == "back_then"
    beside = drill.server_url("stg", "back_then")
    assert names(beside) == names(url) - {"written after"}
    then, refusals = road.dump(beside), {}
    for words in ("--into=back_then", "--into=kept_prod", "--into=dbtasks", "--into=Then;"):
        refused = drill.invoke(f"restore --tier=stg --backup={taken} {words} --format=json")
        refusals[words] = (refused.code, said(refused)["error"].get("code"))
    assert refusals == {
        "--into=back_then": (3, "E-TAKEN"), "--into=kept_prod": (3, "E-NAME"),
        "--into=dbtasks": (2, "UsageError"), "--into=Then;": (2, "UsageError"),
    }  # fmt: skip
    for words in ("seed --tier=stg", "reset --tier=stg --yes", "migrate --tier=stg", "run --tier=stg -- true"):
        done = drill.invoke(words, stg_database_url=beside)
        assert (done.code, "E-COPIED" in done.text) == (3, True), done.text
    assert (road.dump(beside), road.dump(url)) == (then, live)
    dropped = drill.invoke("prune --tier=stg --restored=back_then --yes")
    assert dropped.code == 0, dropped.text
    assert "back_then" not in databases(url)
    assert road.dump(url) == live


@pytest.mark.thorough
def test_what_was_restored_beside_is_the_tiers_once_adopted_and_is_not_dropped_then(drill: Project, url: str) -> None:
    taken = result(drill.invoke("backup --tier=stg --format=json"))["backup"]["id"]
    assert drill.invoke(f"restore --tier=stg --backup={taken} --into=adopted_one").code == 0
    there = {"stg_database_url": drill.server_url("stg", "adopted_one")}
    try:
        adopted = drill.terminal("adopt --tier=stg", road.phrase, **there)
        assert adopted.code == 0, adopted.text
        seeded = drill.invoke("seed --tier=stg", **there)
        assert seeded.code == 0, seeded.text
        left = drill.invoke("prune --tier=stg --restored=adopted_one --yes --format=json")
        assert (left.code, said(left)["error"]["code"]) == (3, "E-NOTHING-KEPT")
        # Who adopts it may not be allowed to write the registry; the stamp in it tells, too.
        registry = drill.server_url("stg", "dbtasks")
        write(registry, "UPDATE dbtasks.registry SET kind = 'restored' WHERE name = 'adopted_one'")
        left = drill.invoke("prune --tier=stg --restored=adopted_one --yes --format=json")
        assert (left.code, said(left)["error"]["code"]) == (3, "E-STAMP")
        assert "adopted_one" in databases(url)
    finally:
        write(drill.server_url("stg", "postgres"), "DROP DATABASE adopted_one WITH (FORCE)")


@pytest.mark.thorough
def test_a_table_that_was_made_again_goes_again_where_another_one_cannot_be_copied_back(
    drill: Project, url: str
) -> None:
    write(
        url,
        "CREATE TABLE hangs (person int REFERENCES people ON DELETE CASCADE)",
        "CREATE TABLE mine (id serial PRIMARY KEY, text text)",
        "INSERT INTO mine (text) VALUES ('ours')",
    )
    assert drill.invoke("backup --tier=stg").code == 0
    write(url, "DROP TABLE mine")
    before = dump(url)

    refused = drill.invoke("restore --tier=stg --table=mine,people --back=whole --yes")

    assert (refused.code, "E-COPY-BACK" in refused.text, "Name hangs, too." in refused.text) == (3, True, True)
    assert dump(url) == before
    done = drill.invoke("restore --tier=stg --table=mine,people,hangs --back=whole --yes")
    assert (done.code, "mine made again" in done.text) == (0, True), done.text


@pytest.mark.thorough
def test_a_table_that_was_dropped_comes_back_with_its_rows_and_constraints(drill: Project, url: str) -> None:
    before = dump(url)
    taken = result(drill.invoke("backup --tier=stg --format=json"))["backup"]["id"]
    write(url, "DROP TABLE lessons")

    done = drill.invoke(f"restore --tier=stg --backup={taken} --table=lessons --yes --format=json")

    assert result(done)["made_again"] == ["lessons"]
    assert dump(url) == before


@pytest.mark.thorough
def test_a_dump_from_which_one_row_was_removed_is_no_backup(drill: Project, url: str) -> None:
    taken = result(drill.invoke("backup --tier=stg --format=json"))["backup"]["id"]
    whole = drill.invoke(f"backups.verify --tier=stg --backup={taken}")
    assert (whole.code, f"{taken} is restorable" in whole.out) == (0, True), whole.text
    write(url, "DELETE FROM people WHERE id = 7")
    repacked(drill, url, taken)
    readable = drill.invoke(f"backups.verify --tier=stg --backup={taken} --quick")
    assert readable.code == 0, readable.text  # every byte is what the manifest says

    done = drill.invoke(f"backups.verify --tier=stg --backup={taken}")

    assert (done.code, "public.people has 2 rows and had 3 rows" in done.text) == (1, True), done.text
    (found,) = [each for each in said(drill.invoke("backups --tier=stg --format=json")) if each["id"] == taken]
    assert found["grade"] == "damaged"
    restored = drill.invoke(f"restore --tier=stg --backup={taken} --yes")
    assert (restored.code, "had 3 rows" in restored.text, names(url)) == (1, True, {"anna", "ben"}), restored.text


def repacked(drill: Project, url: str, id_: str) -> None:
    """Put a dump of what is there now in a backup's place, with sums in the manifest that are right for it."""
    folder = drill.root / ".dbtasks" / "backups" / id_
    dump_, manifest = folder / "database.dump", json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    program = find_client("pg_dump", int(manifest["server_version"].partition(".")[0]))
    subprocess.run([str(program), "-Fc", "--compress=1", f"--file={dump_}", url], check=True)
    sums = {"sha256": hashlib.sha256(dump_.read_bytes()).hexdigest(), "bytes": dump_.stat().st_size}
    manifest |= {**sums, "files": [{"name": dump_.name, **sums}]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_migration_that_destroys_takes_a_backup_first_and_undo_brings_it_back(drill: Project, url: str) -> None:
    before = dump(url)
    drill.revision("r4", DROPS)
    try:
        assert drill.invoke("migrate --tier=int").code == 0
        migrated = drill.invoke("migrate --tier=stg --yes --format=json")
        facts = result(migrated)
        assert facts["backup"]["grade"] == "readable"
        assert facts["mark"]["proof"]["engine"] == "archive"
        undone = drill.invoke("undo --tier=stg --yes")
        assert undone.code == 0, undone.text
        assert dump(url) == before
    finally:
        (drill.root / "migrations/versions/r4.py").unlink()
        drill.invoke("reset --tier=int")


@pytest.mark.thorough
def test_without_a_way_back_nothing_is_destroyed_and_a_reason_counts_on_stg_alone(drill: Project, url: str) -> None:
    drill.revision("r4", DROPS)
    drill.edit("config/tiers.yaml", STG_ENDS, f"    backup: {{engine: never}}\n{STG_ENDS}")
    try:
        assert drill.invoke("migrate --tier=int").code == 0
        before = dump(url)
        refused = drill.invoke("migrate --tier=stg --yes --format=json")
        assert dump(url) == before
        assert (refused.code, said(refused)["error"]["code"]) == (3, "E-NO-BACKUP")
        waived = drill.run([*INVOKE, "migrate", "--tier=stg", "--yes", "--no-backup-because=the rows are a demo's"])
        assert waived.code == 0, waived.text
        assert "the rows are a demo's" in json.dumps(drill.trail()[-3:])
    finally:
        drill.edit("config/tiers.yaml", "    backup: {engine: never}\n", "")
        (drill.root / "migrations/versions/r4.py").unlink()
        drill.invoke("reset --tier=int")


@pytest.mark.thorough
def test_a_database_that_was_dropped_is_built_from_its_backup_under_its_old_name(drill: Project, url: str) -> None:
    before = dump(url)
    assert drill.invoke("backup --tier=stg").code == 0
    postgres = drill.server_url("stg", "postgres")
    with outside.connect(postgres) as session:
        ((at,),) = session.execute("SELECT replace(clock_timestamp()::text, ' ', 'T')").rows or []
    write(postgres, "DROP DATABASE drill_stg WITH (FORCE)")
    absent = drill.invoke(f"recover --tier=stg --to={at}")
    first = "then run this again: invoke restore --tier=stg --backup=latest"
    assert (absent.code, "E-ABSENT" in absent.text, first in absent.text) == (3, True, True), absent.text

    done = drill.invoke("restore --tier=stg --backup=latest --yes")

    assert done.code == 0, done.text
    assert dump(url) == before
    # A drop cannot be stopped right before its end: its files went before.
    too_late = drill.invoke(f"recover --tier=stg --to={at}")
    assert (too_late.code, "name an earlier time" in too_late.text) == (1, True), too_late.text
    assert "No recovered server runs." in drill.invoke("recover --list").text


@pytest.mark.thorough
def test_rows_that_somebody_has_just_taken_away_by_psql_are_found_by_the_time_alone(drill: Project, url: str) -> None:
    """Of an idle server the last of the log is archived only when somebody asks for it.

    And a TRUNCATE is in the log with its lock before it is with its end, between which the point lies.
    """
    before = names(url)
    with outside.connect(url) as session:
        ((at,),) = session.execute("SELECT replace(clock_timestamp()::text, ' ', 'T')").rows or []
    write(url, "TRUNCATE people CASCADE")

    found = result(drill.run([*INVOKE, "recover", "--tier=stg", f"--to={at}", "--format=json"]))

    recovered = found["recovered"]
    there = f"postgresql://{recovered['superuser']}@/drill_stg?host={recovered['socket']}&port={recovered['port']}"
    assert (names(there), "written before" in before) == (before, True)
    assert {each["table"]: (each["only_there"], each["why"]) for each in found["differences"]}["people"] == (3, "")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        write(there, "DELETE FROM people")
    assert drill.invoke(f"restore --tier=stg --backup={found['backup']['id']} --yes").code == 0
    assert names(url) == before
    assert drill.invoke(f"recover --end={recovered['id']}").code == 0
    later = drill.run([*INVOKE, "recover", "--tier=stg", "--to=2999-01-01T00:00:00+00:00"])
    assert (later.code, "has not come yet" in later.text) == (2, True), later.text


@pytest.mark.thorough
@pytest.mark.usefixtures("url")
def test_an_incident_page_names_every_way_back_with_its_command(drill: Project) -> None:
    taken = result(drill.invoke("backup --tier=stg --format=json"))["backup"]["id"]
    entry = entry_of(drill.invoke("reset --tier=stg --yes --format=json"))

    page = drill.invoke("incident --tier=stg")

    assert page.code == 0, page.text
    commands = (
        "recover --tier=stg --to=<time>",
        f"undo --tier=stg --entry={entry}",
        f"restore --tier=stg --backup={taken}",
        f"recover --tier=stg --before={entry}",
    )
    for command in commands:
        assert f"invoke {command}" in page.out
    saved = max((drill.root / "docs/incidents").glob("*.md")).read_text(encoding="utf-8")
    assert saved.strip() == page.out.strip()
