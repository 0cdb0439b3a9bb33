"""Limits, counted where everybody sees them: of eight who want the last unit, exactly one has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Server, nothing_changes, project, said, until

pytestmark = pytest.mark.timeout(180)
ARMED = {"USE_PROD_DATABASE": "true"}
PROD_ENDS = "    embedded: never\n"
ZONES = ("UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu", "Pacific/Pago_Pago")

RACER = """
import sys
import psycopg
from datetime import timedelta
from dbtasks import uses
from dbtasks.limits import Limits, Rate

url, zone, lock = sys.argv[1:]
if lock == "without":
    uses.LOCK = "SELECT 1"
limits = Limits(rates=(Rate(operation="migrate", most=3, per=timedelta(days=1)),))
with psycopg.connect(url, autocommit=True) as connection:
    connection.execute("SELECT set_config('TimeZone', %s, false)", [zone])
    asked = uses.Asked(project="shop", tier="prod", operation="migrate", person="anna")
    print("won" if isinstance(uses.take_in(connection, asked, limits), int) else "waits")
"""


LOOKS = """
import json, sys
from contextlib import closing
import psycopg
from dbtasks.conninfo import parse
from dbtasks.database import look
from dbtasks.looks import keeping

place = parse(sys.argv[1], variable="url")
SEEN = "SELECT pg_backend_pid(), count(*), current_setting('transaction_read_only') FROM things"
with psycopg.connect(sys.argv[1], autocommit=True) as other:
    with keeping(place):
        with closing(look(place)) as first:
            one = first.execute(SEEN).fetchone()
        other.execute("INSERT INTO things VALUES (1)")
        with closing(look(place)) as second, closing(look(place)) as beside:
            two, three = second.execute(SEEN).fetchone(), beside.execute(SEEN).fetchone()
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [one[0]])
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [three[0]])
        with closing(look(place)) as last:
            four = last.execute(SEEN).fetchone()
    closed = first.closed and second.closed and beside.closed and last.closed
print(json.dumps({"looks": [one, two, three, four], "closed": closed}))
"""


@pytest.fixture(scope="module")
def shop(abroad: Server) -> Iterator[Project]:
    """A project whose PROD is limited: `mover` may create databases, and so keeps the count in `dbtasks`."""
    abroad.role("mover", "CREATEDB")
    abroad.database("goods_prod", "mover")
    with project("goods") as made:
        made.urls = {
            variable: abroad.url(name, "mover")
            for variable, name in (
                ("test_database_url", "goods_int"), ("stg_database_url", "goods_stg"), ("database_url", "goods_prod"),
            )
        }  # fmt: skip
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        limits = "runs: [open 2 times in 1 day], frozen: [prune Mon 00:00 to Sun 23:59], cool_down: 1 hour"
        made.edit("config/tiers.yaml", PROD_ENDS, f"    limits: {{{limits}}}\n{PROD_ENDS}")
        yield made


def race(server: Server, folder: Project, lock: str) -> list[str]:
    """Let eight processes want the third of three units at once: all are held until each has come as far as it can."""
    name = server.database(f"race_{lock}")
    url = server.url(name)
    first = [sys.executable, "-c", RACER, url, "UTC", "with"]
    done = subprocess.run(first, env=folder.environ(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["won"]
    second = "INSERT INTO dbtasks.uses (project, tier, operation, person) VALUES ('shop', 'prod', 'migrate', 'anna')"
    server.sql(second, name)
    with server.connect(name) as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE dbtasks.uses IN EXCLUSIVE MODE")  # they may count, and not take
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, url, ZONES[number % len(ZONES)], lock],
                env=folder.environ(TZ=ZONES[-1 - number % len(ZONES)], PGTZ=ZONES[number % len(ZONES)]),
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(8)
        ]
        waiting = "SELECT datname FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        until(lambda: server.sql(waiting).count(name) == 8, seconds=60, what="eight who wait")
        holder.execute("COMMIT")
    return [racer.communicate()[0].strip() for racer in racers]


def test_of_eight_who_want_the_last_unit_one_has_it_in_whatever_zone(abroad: Server, shop: Project) -> None:
    assert sorted(race(abroad, shop, "with")) == ["waits"] * 7 + ["won"]


def test_without_the_lock_more_than_one_has_it(abroad: Server, shop: Project) -> None:
    assert race(abroad, shop, "without").count("won") > 1


def test_looks_share_a_connection_and_never_a_snapshot(abroad: Server, shop: Project) -> None:
    name = abroad.database("looked_at")
    abroad.sql("CREATE TABLE things (id int)", name)
    done = shop.run([sys.executable, "-c", LOOKS, abroad.url(name)])
    assert done.code == 0, done.text
    found = said(done)
    (first, before, only), (second, after, _), (beside, *_), (last, *_) = found["looks"]

    assert (first == second, second == beside, last in (first, beside)) == (True, False, False)
    assert (before, after, only, found["closed"]) == (0, 1, "on", True)


def test_the_third_run_is_refused_before_anybody_is_asked_and_told_when(abroad: Server, shop: Project) -> None:
    before = shop.terminal("run --tier=prod --dry-run -- true", **ARMED)
    done = [shop.prod("run --tier=prod -- true") for _ in range(2)]
    with nothing_changes(abroad, "goods_prod"):
        third = shop.terminal("run --tier=prod -- true", **ARMED)

    assert "  limits          2 of 2 left in 1 day\n" in before.text.replace("\r", "")
    assert "  limits          1 of 2 left in 1 day\n" in done[1].out.replace("\r", "")
    assert [each.code for each in (*done, third)] == [0, 0, 3], third.out
    assert "E-LIMIT" in third.out
    assert "it may run 2 times in 1 day, and did" in third.out
    assert "From " in third.out
    assert shop.last_entry()["outcome"] == "E-LIMIT"
    assert abroad.sql("SELECT count(*) FROM dbtasks.uses WHERE operation = 'open'", "dbtasks") == [2]


def test_after_two_refusals_the_same_person_waits_on_it_and_elsewhere_nothing_is_counted(
    abroad: Server, shop: Project
) -> None:
    counted = "SELECT count(*) FROM dbtasks.uses WHERE operation = 'adopt' AND refused"
    abroad.database("goods_foreign_prod", "mover")
    with nothing_changes(abroad, "goods_prod"):
        for _ in range(2):  # another database of that server, which is not the tier's: refused, and not counted
            way = abroad.url("goods_foreign_prod", "mover")
            assert "E-NO-STAMP" in shop.terminal("seed --tier=prod", **ARMED, database_url=way).out
        first, second = (shop.terminal("adopt --tier=prod", "yes\n", "no\n", **ARMED) for _ in range(2))
        third = shop.terminal("adopt --tier=prod", **ARMED)
        dry = shop.terminal("adopt --tier=prod --dry-run", **ARMED)

    assert [first.code, second.code, third.code] == [4, 4, 3], third.out
    assert "it was refused twice, and 1 hour are to pass after that" in third.out
    assert (dry.code, "would be refused (E-LIMIT): adopt on [PROD]" in dry.text) == (0, True), dry.text
    assert abroad.sql(counted, "dbtasks") == [2]
    assert abroad.sql("SELECT count(*) FROM dbtasks.uses WHERE operation = 'seed' AND refused", "dbtasks") == [0]


def test_a_freeze_is_told_with_its_end_and_a_dry_run_is_free(abroad: Server, shop: Project) -> None:
    with nothing_changes(abroad, "goods_prod"):
        frozen = shop.terminal("prune --tier=prod", **ARMED)
        dry = shop.invoke("seed --tier=prod --dry-run", **ARMED)

    assert (frozen.code, "it rests from Mon 00:00 to Sun 23:59" in frozen.out) == (3, True), frozen.out
    assert dry.code == 0, dry.text


def test_prod_is_closed_where_the_count_cannot_be_asked(abroad: Server, shop: Project) -> None:
    abroad.sql("ALTER DATABASE dbtasks RENAME TO dbtasks_away")
    abroad.sql("CREATE DATABASE dbtasks")
    abroad.sql("REVOKE CONNECT ON DATABASE dbtasks FROM PUBLIC")
    try:
        with nothing_changes(abroad, "goods_prod"):
            done = shop.terminal("seed --tier=prod", **ARMED)
    finally:
        abroad.sql("DROP DATABASE dbtasks WITH (FORCE)")
        abroad.sql("ALTER DATABASE dbtasks_away RENAME TO dbtasks")

    assert (done.code, "E-LIMIT-UNKNOWN" in done.out) == (3, True), done.out


def test_after_a_failure_the_same_person_waits_on_it(shop: Project) -> None:
    path = shop.file("seeds/reference/people.csv", "id,name\n1,anna\n2,ben\n3,\n")
    failed = shop.prod("seed --tier=prod")
    path.write_text("id,name\n1,anna\n2,ben\n")
    again = shop.terminal("seed --tier=prod", **ARMED)

    assert (failed.code, again.code) == (1, 3), failed.out + again.out
    assert "the last run failed, and 1 hour are to pass after that" in again.out
