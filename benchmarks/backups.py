"""Backups of about a gigabyte, side by side with bare pg_dump and bare CREATE DATABASE: whole processes, in turn."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyrage import x25519

from benchmarks.measured import Bench, Measured, Row, machine, scrubbed, table
from benchmarks.reset_places import Place, durable
from benchmarks.timing import Command, Way, in_turn, once
from dbtasks.programs import child_environment

LARGE, SMALL, COPIED = "dbtasks_bench_0000000a", "dbtasks_bench_0000000b", "bench_copy"
RESTORED = "bench_restored"
TABLES, ROWS, FEW = 6, 1_250_000, 125_000
_PROJECT = Path(__file__).resolve().parent.parent
# The options of our own call, so that what differs is what we add.
_BARE = ("--format=custom", "--compress=1", "--lock-wait-timeout=10000", "--no-password")
_FILL = """
CREATE TABLE t{number} AS SELECT i AS id, md5(i::text) AS email, i % 5000 AS city,
       (random() * 1e6)::numeric(10, 2) AS price, 'note ' || i::bigint * 7919 % 1000003 AS note,
       now() - i * interval '1 second' AS made FROM generate_series(1, {rows}) i
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    place: Place
    root: Path

    def fill(self, database: str, rows: int) -> None:
        self.place.run(f"CREATE DATABASE {database}")
        for number in range(TABLES):
            self.place.run(
                _FILL.format(number=number, rows=rows),
                f"ALTER TABLE t{number} ADD PRIMARY KEY (id)",
                f"CREATE INDEX ON t{number} (email)",
                f"VACUUM ANALYZE t{number}",
                database=database,
            )
        self.place.run("CHECKPOINT")

    def ready(self) -> None:
        """Leave nothing of the last run, neither here nor to be written by the server."""
        shutil.rmtree(self.root / "vault", ignore_errors=True)
        (self.root / "bare.dump").unlink(missing_ok=True)
        self.place.run(f"DROP DATABASE IF EXISTS {COPIED}")
        if self.place.has("dbtasks"):
            self.place.run("UPDATE dbtasks.registry SET kind = 'clone' WHERE kind = 'backup'", database="dbtasks")
            for (name,) in self._copies():
                self.place.run(f"DROP DATABASE {name}")
            self.place.run("TRUNCATE dbtasks.registry", database="dbtasks")
        self.place.run("CHECKPOINT")

    def _copies(self) -> list[tuple[str]]:
        import psycopg

        with psycopg.connect(self.place.url("dbtasks")) as connection:
            return connection.execute("SELECT name FROM dbtasks.registry").fetchall()

    def ours(self, *how: str) -> Callable[[], float]:
        words = [sys.executable, "-m", "benchmarks.backups_take", self.place.url(LARGE), str(self.root), *how]
        command = Command(name=f"dbtasks {' '.join(how)}", words=words, folder=_PROJECT, environ=scrubbed())
        return lambda: once(command).wall_ms

    def dumped(self) -> None:
        """Leave one backup of ours and one of pg_dump's own, and nothing else."""
        self.ready()
        self.ours("pg_dump")()
        self.bare()()

    def emptied(self) -> None:
        """Drop what the last restores have made."""
        self.place.run(f"DROP DATABASE IF EXISTS {RESTORED}")
        if self.place.has("dbtasks"):
            for (name,) in self._copies():
                self.place.run(f"DROP DATABASE IF EXISTS {name}")
            self.place.run("TRUNCATE dbtasks.registry", database="dbtasks")
        self.place.run("CHECKPOINT")

    def restored(self) -> float:
        words = [sys.executable, "-m", "benchmarks.backups_restore", self.place.url(LARGE), str(self.root)]
        return once(Command(name="restore", words=words, folder=_PROJECT, environ=scrubbed())).wall_ms

    def by_hand(self) -> float:
        """Restore with PostgreSQL's own programs, and gather statistics, as ours does."""
        psql, url = [str(self.place.psql), "-X", "-q"], self.place.url(RESTORED)
        pg_restore = [str(self.place.psql.parent / "pg_restore"), "--exit-on-error", f"--dbname={url}"]
        commands = (
            [*psql, "-c", f"CREATE DATABASE {RESTORED} TEMPLATE template0", self.place.url("postgres")],
            [*pg_restore, str(self.root / "bare.dump")],
            [*psql, "-c", "ANALYZE", url],
        )
        return sum(
            once(Command(name=words[0], words=words, folder=_PROJECT, environ=child_environment())).wall_ms
            for words in commands
        )

    def peak(self, database: str) -> int:
        """Return the megabytes that a sealed backup takes at most."""
        self.ready()
        words = [sys.executable, "-m", "benchmarks.backups_take", self.place.url(database), str(self.root)]
        done = subprocess.run(
            [*words, "pg_dump", "sealed", "read"], cwd=_PROJECT, env=scrubbed(), capture_output=True, check=True
        )
        return int(done.stdout)

    def bare(self) -> Callable[[], float]:
        program = self.place.psql.parent / "pg_dump"
        words = [str(program), *_BARE, f"--file={self.root / 'bare.dump'}", self.place.url(LARGE)]
        command = Command(name="pg_dump", words=words, folder=_PROJECT, environ=child_environment())
        return lambda: once(command).wall_ms

    def created(self) -> Callable[[], float]:
        text = f"CREATE DATABASE {COPIED} TEMPLATE {LARGE} STRATEGY FILE_COPY"
        words = [str(self.place.psql), "-X", "-q", "-c", text, self.place.url("postgres")]
        command = Command(name="CREATE DATABASE", words=words, folder=_PROJECT, environ=child_environment())
        return lambda: once(command).wall_ms


def measure(bench: Bench) -> Measured:
    """Measure on a durable server, as a team has it."""
    keys = [x25519.Identity.generate() for _ in range(2)]
    (bench.scratch / "recipients").write_text("".join(f"{key.to_public()}\n" for key in keys), encoding="ascii")
    (bench.scratch / "identity").write_text(f"{keys[0]}\n", encoding="ascii")
    with durable() as place:
        ground = Ground(place=place, root=bench.scratch)
        ground.fill(SMALL, FEW)
        ground.fill(LARGE, ROWS)
        taken = in_turn(_ways(ground), bench.runs)
        ground.dumped()
        again = {"restored": ground.restored, "by hand": ground.by_hand}
        taken |= in_turn([Way(name=name, ready=ground.emptied, act=act) for name, act in again.items()], bench.runs)
        ground.emptied()
        size = _megabytes(place, LARGE)
        peaks = {_megabytes(place, each): ground.peak(each) for each in (SMALL, LARGE)}
        name = place.name
    lines = [
        f"Medians of {bench.runs} runs, whole processes, in turn, {machine('psycopg', 'pyrage')}; {name}, {size:,} MB.",
        "",
    ]
    told = ", ".join(f"{each:,} MB of database {peak} MB" for each, peak in peaks.items())
    return Measured(lines=(*lines, *table(_rows(taken)), "", f"Peak memory of a sealed backup, read back: {told}."))


def _ways(ground: Ground) -> list[Way]:
    ways = {
        "bare": ground.bare(),
        "plain": ground.ours("pg_dump"),
        "sealed": ground.ours("pg_dump", "sealed"),
        "read": ground.ours("pg_dump", "sealed", "read"),
        "create": ground.created(),
        "copy": ground.ours("copy"),
    }
    return [Way(name=name, ready=ground.ready, act=act) for name, act in ways.items()]


def _rows(taken: Mapping[str, Sequence[float]]) -> list[Row]:
    dump, create = "`pg_dump -Fc --compress=1`", "`CREATE DATABASE ... TEMPLATE`, FILE_COPY"
    return [
        Row(what="`pg_dump`, hashed, rows counted", ours=taken["plain"], against=dump, theirs=taken["bare"], aim=1.1),
        Row(what="the same, sealed to two keys", ours=taken["sealed"], against=dump, theirs=taken["bare"], aim=1.1),
        Row(what="the same, and read back", ours=taken["read"], against=dump, theirs=taken["bare"]),
        Row(what="restored, compared, analysed", ours=taken["restored"],
            against="`CREATE DATABASE`, `pg_restore`, `ANALYZE`", theirs=taken["by hand"]),
        Row(what="`copy`", ours=taken["copy"], against=create, theirs=taken["create"], aim=1.2),
    ]  # fmt: skip


def _megabytes(place: Place, database: str) -> int:
    import psycopg

    with psycopg.connect(place.url(database)) as connection:
        row = connection.execute("SELECT pg_database_size(current_database()) / 1000000").fetchone()
    return int(row[0]) if row else 0
