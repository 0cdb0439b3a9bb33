"""The road on a server that is not ours: what is kept, what is refused, and who may do what. PROD is `test_prod.py`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from zlib import crc32

import psycopg
import pytest

from tests import outside
from tests.server.abroad import abroad as abroad
from tests.server.abroad import free_port, standby_of
from tests.server.road import (
    PASSWORD,
    Project,
    Server,
    as_postgres,
    asked_name,
    nothing_changes,
    own,
    project,
    said,
    until,
)
from tests.sessions import Session

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def team(abroad: Server) -> Iterator[Project]:
    """A project whose INT and STG lie on the foreign server, under a role that may create databases."""
    abroad.role("app", "CREATEDB")
    with project() as made:
        made.urls = {
            "test_database_url": abroad.url("small_int", "app"),
            "stg_database_url": abroad.url("small_stg", "app"),
        }
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        yield made


def refused(team: Project, words: str, **environ: str) -> str:
    """Run a command that is refused, and return the code of its refusal, which stands in the trail."""
    done = team.invoke(f"{words} --format=json", **environ)
    assert done.code == 3, done.text
    code = str(said(done)["error"]["code"])
    assert (team.last_entry()["kind"], team.last_entry()["outcome"]) == ("refusal", code)
    return code


def done(team: Project, words: str, **environ: str) -> str:
    found = team.invoke(words, **environ)
    assert found.code == 0, found.text
    return found.text


# What reset keeps

FACTS = """
SELECT pg_get_userbyid(datdba), datconnlimit, pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider,
       (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a), shobj_description(d.oid, 'pg_database'),
       (SELECT array_agg((setrole::regrole::text, setconfig::text) ORDER BY 1) FROM pg_db_role_setting
         WHERE setdatabase = d.oid), d.oid
  FROM pg_database d WHERE datname = '{}'
"""


def test_reset_keeps_owner_grants_settings_limit_and_comment(team: Project, abroad: Server) -> None:
    abroad.role("reader")
    for statement in (
        "GRANT CONNECT, TEMPORARY ON DATABASE small_stg TO reader WITH GRANT OPTION",
        "REVOKE CONNECT ON DATABASE small_stg FROM PUBLIC",
        'ALTER DATABASE small_stg SET search_path = public, "odd, name"',
        "ALTER DATABASE small_stg SET work_mem = '7MB'",
        "ALTER DATABASE small_stg CONNECTION LIMIT 17",
        "COMMENT ON DATABASE small_stg IS 'it''s ours'",
    ):
        abroad.sql(statement, role="app")
    abroad.sql("ALTER ROLE app IN DATABASE small_stg SET statement_timeout = '90s'", role="app")
    *before, old_oid = abroad.sql(FACTS.format("small_stg"))[0]

    done(team, "reset --tier=stg --yes")

    *after, new_oid = abroad.sql(FACTS.format("small_stg"))[0]
    assert after == before
    assert new_oid != old_oid


def test_reset_keeps_encoding_locale_and_their_provider(team: Project, abroad: Server) -> None:
    abroad.sql("CREATE DATABASE odd_stg OWNER app TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    url = {"stg_database_url": abroad.url("odd_stg", "app")}
    *before, _ = abroad.sql(FACTS.format("odd_stg"))[0]

    done(team, "reset --tier=stg", **url)

    *after, _ = abroad.sql(FACTS.format("odd_stg"))[0]
    assert after == before


@pytest.mark.thorough
def test_reset_keeps_an_icu_locale(team: Project, abroad: Server) -> None:
    try:
        abroad.sql("CREATE DATABASE icu_stg OWNER app TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-x-icu'")
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxError) as error:
        pytest.skip(f"this server has no ICU: {error}")
    *before, _ = abroad.sql(FACTS.format("icu_stg"))[0]

    done(team, "reset --tier=stg", stg_database_url=abroad.url("icu_stg", "app"))

    *after, _ = abroad.sql(FACTS.format("icu_stg"))[0]
    assert after == before
    assert before[5] == "i"


@pytest.mark.thorough
def test_a_setting_that_the_role_may_not_restore_stops_reset_beforehand(team: Project, abroad: Server) -> None:
    abroad.sql("CREATE DATABASE kept_stg OWNER app")
    url = {"stg_database_url": abroad.url("kept_stg", "app")}
    done(team, "reset --tier=stg", **url)
    abroad.sql("ALTER DATABASE kept_stg SET app.tenant = 'blue'")
    abroad.sql("ALTER DATABASE kept_stg SET log_statement = 'all'")
    before = (abroad.dump("kept_stg"), abroad.databases())

    found = team.invoke("reset --tier=stg --yes", **url)

    assert (found.code, (abroad.dump("kept_stg"), abroad.databases()) == before) == (3, True), found.text
    assert "it has settings that only a superuser can give to another database" in found.text
    abroad.sql("ALTER DATABASE kept_stg RESET app.tenant")
    assert refused(team, "reset --tier=stg --yes", **url) == "E-NO-WAY-BACK"
    abroad.sql("ALTER DATABASE kept_stg RESET log_statement")
    done(team, "reset --tier=stg --yes", **url)


@pytest.mark.thorough
def test_an_old_database_goes_by_prune_once_its_retention_has_ended(team: Project, abroad: Server) -> None:
    kept = said(team.invoke("reset --tier=stg --yes --format=json"))["result"]["kept"]
    with abroad.connect("dbtasks") as connection:
        connection.execute("UPDATE dbtasks.registry SET keep_until = now() WHERE name = %s", [kept])

    newer = said(team.invoke("reset --tier=stg --yes --format=json"))["result"]["kept"]
    assert kept in abroad.databases()
    done(team, "prune --tier=stg --yes")

    assert kept not in abroad.databases()
    assert newer in abroad.databases()
    assert kept not in abroad.sql("SELECT name FROM dbtasks.registry", "dbtasks")


# Busy databases


CLIENT = """
import select, sys, psycopg
def told(): return bool(select.select([sys.stdin], [], [], 0.02)[0])
while not told():
    try:
        with psycopg.connect(sys.argv[1], connect_timeout=5) as connection:
            while not told():
                connection.execute("SELECT count(*) FROM people")
                connection.commit()
    except psycopg.Error:
        continue
with psycopg.connect(sys.argv[1]) as connection:
    print(connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()[0])
"""


@pytest.mark.thorough
def test_stg_is_reset_under_twelve_clients_that_reconnect(team: Project, abroad: Server) -> None:
    command = [sys.executable, "-c", CLIENT, abroad.url("small_stg", "app")]
    abroad.sql("ALTER DATABASE small_stg CONNECTION LIMIT -1")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": outside.environment()}
    clients = [subprocess.Popen(command, text=True, **pipes) for _ in range(12)]
    until(lambda: abroad.sql("SELECT count(*) >= 12 FROM pg_stat_activity WHERE datname = 'small_stg'")[0])

    found = team.invoke("reset --tier=stg --yes --format=json")

    ends = {client.communicate("", timeout=60)[0].strip() for client in clients}
    assert found.code == 0, found.text
    assert ends == {str(abroad.sql("SELECT oid FROM pg_database WHERE datname = 'small_stg'")[0])}
    assert said(found)["result"]["swap_ms"] < 5000


def test_a_prepared_transaction_stops_reset_and_is_named(team: Project, abroad: Server) -> None:
    with outside.connect(abroad.url("small_stg", "app")) as connection:
        connection.execute("BEGIN; UPDATE people SET name = 'anne' WHERE id = 1; PREPARE TRANSACTION 'two phases'")
    before = (abroad.dump("small_stg"), abroad.databases())

    found = team.invoke("reset --tier=stg --yes")

    after = (abroad.dump("small_stg"), abroad.databases())
    abroad.sql("ROLLBACK PREPARED 'two phases'", "small_stg")
    assert (found.code, after == before) == (3, True), found.text
    assert "small_stg cannot be kept aside while another takes its place: a prepared transaction is open" in found.text
    done(team, "reset --tier=stg --yes")


@pytest.mark.thorough
def test_a_logical_slot_stops_reset_and_names_the_way_that_keeps_it(team: Project, abroad: Server) -> None:
    abroad.sql("SELECT pg_create_logical_replication_slot('follower', 'test_decoding')", "small_stg")

    code = refused(team, "reset --tier=stg --yes")

    abroad.sql("SELECT pg_drop_replication_slot('follower')")
    assert code == "E-NO-WAY-BACK"
    done(team, "reset --tier=stg --yes")


def test_two_resets_at_once_both_end_well_one_after_the_other(team: Project, abroad: Server) -> None:
    before = {name for name in abroad.databases() if not name.endswith("_old")}

    runs = [team.start("reset --tier=int") for _ in range(3)]
    texts = [run.communicate(timeout=120)[0] for run in runs]

    codes = sorted(run.returncode for run in runs)
    assert codes[0] == 0, texts
    assert set(codes) <= {0, 3}, texts  # what was planned before the other's swap is refused: E-CHANGED
    assert all("E-CHANGED" in text for run, text in zip(runs, texts, strict=True) if run.returncode == 3)
    assert {name for name in abroad.databases() if not name.endswith("_old")} == before
    done(team, "audit --verify")


# Who may


@pytest.mark.thorough
def test_two_tiers_on_one_server_need_a_role_each_and_one_grant(team: Project, abroad: Server) -> None:
    abroad.role("blue", "CREATEDB")
    blue = {"stg_database_url": abroad.url("blue_stg", "blue")}

    assert refused(team, "reset --tier=stg", **blue) == "E-ABSENT"
    assert (
        "the role may not write dbtasks.registry in the server's database dbtasks"
        in team.invoke("reset --tier=stg", **blue).err
    )
    abroad.sql("GRANT INSERT, UPDATE, DELETE ON dbtasks.registry TO blue", "dbtasks", role="app")
    done(team, "reset --tier=stg", **blue)
    done(team, "reset --tier=stg --yes", **blue)
    done(team, "reset --tier=int")

    rows = abroad.sql("SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname ~ '^(small_int|blue_)'")
    assert sorted(rows) == [("blue_stg", "blue"), ("small_int", "app")]


def test_a_role_without_rights_in_a_tiers_database_is_told_so(team: Project, abroad: Server) -> None:
    abroad.role("stranger")
    before = abroad.dump("small_int")

    found = team.invoke("seed --tier=int", test_database_url=abroad.url("small_int", "stranger"))

    assert found.code in (1, 3), found.text
    assert "permission denied" in found.text
    assert abroad.dump("small_int") == before


def test_a_role_that_may_not_create_databases_works_inside_the_one_it_has(team: Project, abroad: Server) -> None:
    abroad.role("modest")
    abroad.database("modest_stg", "modest")
    url = {"stg_database_url": abroad.url("modest_stg", "modest")}
    before = abroad.databases()

    done(team, "migrate --tier=stg", **url)
    done(team, "seed --tier=stg", **url)
    assert "replaced public" in done(team, "reset --tier=stg --yes", **url)

    assert abroad.sql("SELECT count(*) FROM lessons", "modest_stg") == [2]
    assert abroad.databases() == before


@pytest.mark.thorough
def test_limits_that_a_role_carries_for_its_application_do_not_end_a_run(team: Project, abroad: Server) -> None:
    abroad.role("hasty", "CREATEDB")
    abroad.sql("GRANT INSERT, UPDATE, DELETE ON dbtasks.registry TO hasty", "dbtasks", role="app")
    for setting in ("statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"):
        abroad.sql(f"ALTER ROLE hasty SET {setting} = '500ms'")
    url = {"stg_database_url": abroad.url("hasty_stg", "hasty")}

    done(team, "reset --tier=stg", **url)
    with abroad.connect("hasty_stg") as other:
        other.execute("BEGIN; DELETE FROM lessons; LOCK TABLE lessons")
        waiting = team.start("seed --tier=stg", **url)
        until(lambda: abroad.sql("SELECT 1 FROM pg_locks WHERE NOT granted"), what="the seeding waits")
        time.sleep(1)
        other.execute("COMMIT")
        text, _ = waiting.communicate(timeout=60)

    assert waiting.returncode == 0, text
    assert abroad.sql("SELECT count(*) FROM lessons", "hasty_stg") == [2]


def test_a_database_that_is_read_only_by_default_is_left_and_told(team: Project, abroad: Server) -> None:
    abroad.sql("ALTER DATABASE small_stg SET default_transaction_read_only = on")
    with nothing_changes(abroad, "small_stg"):
        abroad.sql("SELECT 1")
        found = team.invoke("adopt --tier=stg --dry-run")
        team.edit("seeds/demo/lessons.csv", "2,2,Cello\n", "2,2,Cello\n3,2,Violin\n")
        seeded = team.invoke("seed --tier=stg")
        team.edit("seeds/demo/lessons.csv", "3,2,Violin\n", "")
    abroad.sql("ALTER DATABASE small_stg RESET default_transaction_read_only")

    assert (found.code, seeded.code) == (0, 1), seeded.text
    assert "read-only transaction" in seeded.err
    assert "bug" not in seeded.err


@pytest.mark.thorough
def test_a_name_that_needs_quotes_and_encoding_is_reset_seeded_and_opened(team: Project, abroad: Server) -> None:
    name = 'Odd "name" 50% ü-stg'
    quoted = name.replace('"', '""')
    abroad.sql(f'CREATE DATABASE "{quoted}" OWNER app')
    base = abroad.url("", "app")
    url = {"stg_database_url": base + quote(name, safe="")}
    code = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).info.dbname)"

    for words in ("reset --tier=stg", "reset --tier=stg --yes", "seed --tier=stg", "migrate --tier=stg"):
        done(team, words, **url)
    found = team.run([sys.executable, "-m", "invoke", "run", "--tier=stg", "--", sys.executable, "-c", code], **url)

    assert found.out.strip() == name, found.text


# Through a pooler


@pytest.fixture
def pooler(abroad: Server) -> Iterator[int]:
    """The port of a PgBouncer that gives each transaction another connection."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed")
    port, folder = free_port(), abroad.folder / "pooler"
    folder.mkdir()
    own(folder)
    (folder / "users").write_text(f'"app" "{PASSWORD}"\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={abroad.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\npool_mode = transaction\nauth_type = scram-sha-256\n"
        f"auth_file = {folder}/users\nlogfile = {folder}/log\npidfile = {folder}/pid\n"
    )
    for file in ("users", "ini"):
        own(folder / file)
    as_postgres([program, "-d", "-q", str(folder / "ini")])
    until(lambda: (folder / "pid").exists() and (folder / "pid").read_text().strip(), what="PgBouncer is there")
    yield port
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
    shutil.rmtree(folder)


def test_writes_through_a_transaction_pooler_are_refused_and_looks_are_not(
    team: Project, abroad: Server, pooler: int
) -> None:
    url = {"stg_database_url": abroad.url("small_stg", "app").replace(f":{abroad.port}/", f":{pooler}/")}
    with nothing_changes(abroad, "small_stg"):
        for words in ("seed --tier=stg", "migrate --tier=stg", "reset --tier=stg --yes"):
            assert refused(team, words, **url) == "E-POOLER"
        row = said(team.invoke("status --tier=stg --format=json", **url))["tiers"][0]
        opened = team.invoke("run --tier=stg -- true", **url)

    assert (row["stamp"], opened.code) == ("ok", 0), opened.text
    done(team, "seed --tier=stg")


# Which database it is


def test_a_database_of_another_tier_is_refused_whatever_the_url_is_called(team: Project, abroad: Server) -> None:
    before = abroad.dump("small_stg")

    for words in ("reset --tier=int", "seed --tier=int", "migrate --tier=int", "adopt --tier=int"):
        assert refused(team, words, test_database_url=abroad.url("small_stg", "app")) == "E-STAMP"
    found = team.invoke("run --tier=int -- true", test_database_url=abroad.url("small_stg", "app"))

    assert (found.code, "E-STAMP" in found.err) == (3, True)
    assert abroad.dump("small_stg") == before
    done(team, "seed --tier=int")


def test_a_database_of_another_project_is_refused(team: Project, abroad: Server) -> None:
    with project() as other:
        other.edit("config/tiers.yaml", "project: small", "project: other")
        other.urls = dict(team.urls)
        before = abroad.dump("small_stg")
        for words in ("seed --tier=stg", "adopt --tier=stg", "reset --tier=int"):
            assert refused(other, words) == "E-PROJECT"
        assert abroad.dump("small_stg") == before


@pytest.mark.parametrize("way", ["template", pytest.param("dump", marks=pytest.mark.thorough)])
def test_a_copy_of_a_stamped_database_is_refused_until_a_person_adopts_it(
    team: Project, abroad: Server, way: str
) -> None:
    name = f"copy_{way}_stg"
    if way == "template":
        until(lambda: abroad.sql("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'small_stg'")[0])
        abroad.sql(f"CREATE DATABASE {name} TEMPLATE small_stg OWNER app")
    else:
        abroad.database(name, "app")
        dump, load = (f"{abroad.bindir}/{each}" for each in ("pg_dump", "psql"))
        line = f"{dump} '{abroad.url('small_stg')}' | {load} -qX -v ON_ERROR_STOP=1 '{abroad.url(name, 'boss')}'"
        subprocess.run(["/bin/sh", "-c", line], check=True, stdout=subprocess.DEVNULL)
    url = {"stg_database_url": abroad.url(name, "boss")}

    for words in ("seed --tier=stg", "migrate --tier=stg", "reset --tier=stg --yes"):
        assert refused(team, words, **url) == "E-COPIED"
    assert refused(team, "adopt --tier=stg --yes", **url) == "E-TAKE-OVER"
    adopted = team.terminal("adopt --tier=stg", lambda shown: f"{asked_name(shown)}\n", **url)

    assert adopted.code == 0, adopted.out
    done(team, "seed --tier=stg", **url)


def test_a_template_database_is_refused(team: Project, abroad: Server) -> None:
    abroad.sql("ALTER DATABASE small_stg IS_TEMPLATE true")
    codes = [refused(team, words) for words in ("seed --tier=stg", "reset --tier=stg --yes")]
    abroad.sql("ALTER DATABASE small_stg IS_TEMPLATE false")

    assert codes == ["E-NOT-LIVE"] * 2
    done(team, "seed --tier=stg")


def test_a_standby_is_refused_and_can_be_looked_at(team: Project, abroad: Server) -> None:
    with standby_of(abroad) as standby:
        url = {"stg_database_url": standby.url("small_stg", "app")}
        for words in ("seed --tier=stg", "migrate --tier=stg", "reset --tier=stg --yes", "adopt --tier=stg"):
            assert refused(team, words, **url) == "E-STANDBY"
        rows = said(team.invoke("status --tier=stg --format=json", **url))["tiers"]
        assert "E-STANDBY" in rows[0]["problem"]
    done(team, "seed --tier=stg")


@pytest.mark.parametrize(
    ("name", "table", "words", "code"),
    [
        ("blank1_int", False, "migrate --tier=int", ""),
        ("blank2_int", False, "reset --tier=int", ""),
        ("blank3_int", False, "seed --tier=int", "E-NO-STAMP"),
        ("blank4_int", False, "run --tier=int -- true", "E-NO-STAMP"),
        ("blankname", False, "migrate --tier=int", "E-NO-STAMP"),
        ("blankname2", False, "reset --tier=int", "E-NO-STAMP"),
        ("painting", False, "migrate --tier=int", "E-NO-STAMP"),
        ("full1_int", True, "migrate --tier=int", "E-NO-STAMP"),
        ("full2_int", True, "reset --tier=int", "E-NO-STAMP"),
        ("full3_int", True, "adopt --tier=int --yes", "E-TAKE-OVER"),
        ("blank5_int", False, "adopt --tier=int", ""),
        ("blank_prod", False, "migrate --tier=int", "E-NAME"),
        ("absent_int", None, "migrate --tier=int", "E-ABSENT"),
        ("absentname", None, "reset --tier=int", "E-ABSENT"),
    ],
)
def test_a_database_without_a_stamp_is_adopted_only_where_it_is_empty_and_its_name_fits(
    team: Project, abroad: Server, name: str, table: bool | None, words: str, code: str
) -> None:
    if table is not None:
        abroad.database(name, "app")
    if table:
        abroad.sql("CREATE TABLE mine (id int)", name, role="app")
    before = "" if table is None else abroad.dump(name)

    found = team.invoke(words, test_database_url=abroad.url(name, "app"))

    assert found.code == (3 if code else 0), found.text
    assert code in found.err
    if code and table is not None:
        assert abroad.dump(name) == before


def test_one_database_behind_two_tiers_is_found_by_check_and_stopped_at_run_time(team: Project, abroad: Server) -> None:
    abroad.database("shared", "app")
    # Two ways that look different and lead to one place.
    one, two = abroad.url("shared", "app"), abroad.url("shared", "app").replace("127.0.0.1", "localhost")
    both = {"test_database_url": one, "stg_database_url": two}

    found = team.invoke("check --format=json", **both)
    adopted = team.terminal("adopt --tier=stg", lambda shown: f"{asked_name(shown)}\n", **both)

    assert (found.code, said(found)["same"]) == (2, [["int", "stg"]]), found.text
    assert adopted.code == 0, adopted.out
    assert refused(team, "migrate --tier=int", **both) == "E-STAMP"
    assert refused(team, "adopt --tier=int", **both) == "E-STAMP"


def test_what_changes_while_a_run_waits_for_the_lock_is_seen_before_it_writes(team: Project, abroad: Server) -> None:
    with outside.connect(abroad.url("dbtasks", "app"), autocommit=True) as holder:
        # A reset by somebody else holds the lock that every writing command of STG takes.
        waiting = until_waiting(team, abroad, holder)
        abroad.sql("UPDATE dbtasks.identity SET tier = 'prod'", "small_stg")
        before = abroad.dump("small_stg")
        holder.execute("SELECT pg_advisory_unlock_all()")
        text, _ = waiting.communicate(timeout=60)

    after = abroad.dump("small_stg")
    abroad.sql("UPDATE dbtasks.identity SET tier = 'stg'", "small_stg")
    assert (waiting.returncode, after) == (3, before), text
    assert "E-STAMP" in text
    done(team, "seed --tier=stg")


def until_waiting(team: Project, abroad: Server, holder: Session) -> subprocess.Popen[str]:
    """Start a seeding that waits for the lock which `holder` has, and return it."""
    key = crc32(b"small/stg") & 0x7FFFFFFF
    holder.execute("SELECT pg_advisory_lock(1684173873, %s)", [key])
    started = team.start("seed --tier=stg")
    until(lambda: abroad.sql("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")[0])
    return started


# Where the URL comes from


def test_a_url_in_the_env_file_counts_and_the_environment_beats_it(team: Project, abroad: Server) -> None:
    with_file = replace(team, urls={"test_database_url": team.urls["test_database_url"]})
    path = team.file(".env", f"stg_database_url='{team.urls['stg_database_url']}'\n")
    path.chmod(0o600)
    quiet = done(with_file, "seed --tier=stg")
    path.chmod(0o644)
    loud = done(with_file, "seed --tier=stg")
    code = refused(with_file, "seed --tier=stg", stg_database_url=abroad.url("small_int", "app"))
    path.unlink()

    assert "chmod" not in quiet
    assert "chmod 600 .env" in loud
    assert code == "E-STAMP"


def test_variables_of_libpq_redirect_nothing(team: Project, abroad: Server) -> None:
    astray = {
        "PGHOST": "203.0.113.7",
        "PGHOSTADDR": "203.0.113.7",
        "PGPORT": "1",
        "PGDATABASE": "small_int",
        "PGUSER": "nobody",
        "PGPASSWORD": "wrong",
        "PGSERVICE": "astray",
        "PGOPTIONS": "-c search_path=pg_catalog",
        "PGSSLMODE": "require",
        "PGCONNECT_TIMEOUT": "1",
    }
    abroad.sql("DELETE FROM lessons", "small_stg")

    done(team, "migrate --tier=stg", **astray)
    done(team, "seed --tier=stg", **astray)
    done(team, "reset --tier=int", **astray)

    assert abroad.sql("SELECT count(*) FROM lessons", "small_stg") == [2]


def test_the_password_with_every_awkward_character_works_everywhere_and_shows_nowhere(team: Project) -> None:
    code = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).info.user)"

    found = team.run([sys.executable, "-m", "invoke", "run", "--tier=stg", "--", sys.executable, "-c", code])
    shell = team.invoke("shell --tier=stg", given="SELECT current_user;\n")
    everything = "".join(
        team.invoke(words).text
        for words in ("status", "check", "audit", "migrate --tier=stg", "--debug seed --tier=stg")
    )

    assert (found.code, found.out.strip(), "app" in shell.out) == (0, "app", True), found.text + shell.text
    for form in (PASSWORD, "p%40s%25w%3Ar%20%2Fd%231"):
        assert form not in everything + shell.text
