"""What a command costs, in counts: modules, connections, round trips, child processes. No times."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outside import Finished, Sandbox, sandbox
from tests.server.abroad import started
from tests.server.road import Project, Server, project

pytestmark = pytest.mark.timeout(180)

HEAVY = {"psycopg", "sqlalchemy", "alembic"}

# Writes down what Python starts and imports, in a file that DBTASKS_TEST_NOTES names.
_NOTES = """
import os, sys
notes = os.environ.get("NOTES_OF_A_TEST")
if notes:
    events = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system", "import")
    def note(event, arguments):
        if event in events:
            what = arguments[0] if event == "import" else [event, str(arguments[:2])]
            with open(notes, "a") as file:
                file.write(__import__("json").dumps([os.getpid(), what]) + "\\n")
    import json
    sys.addaudithook(note)
"""


class Notes:
    """What the processes of one command imported and started, the first of them alone."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "notes"
        (folder / "sitecustomize.py").write_text(_NOTES)
        self.environ = {"NOTES_OF_A_TEST": str(self.file)}

    def read(self) -> tuple[set[str], list[str]]:
        """Return the packages that were imported, and what was started."""
        noted = [json.loads(line) for line in self.file.read_text().splitlines()]
        first = noted[0][0]
        mine = [what for pid, what in noted if pid == first]
        packages = {what.partition(".")[0] for what in mine if isinstance(what, str)}
        return packages, [" ".join(what) for what in mine if not isinstance(what, str)]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with sandbox() as made:
        yield made


def noted(box: Sandbox, tmp_path: Path, *words: str, **more: str) -> tuple[Finished, set[str], list[str]]:
    notes = Notes(tmp_path)
    done = box.run("invoke", *words, env={**notes.environ, "PYTHONPATH": str(tmp_path), **more})
    return done, *notes.read()


def test_the_list_of_tasks_loads_no_driver_and_no_alembic(box: Sandbox, tmp_path: Path) -> None:
    done, packages, children = noted(box, tmp_path, "--list")
    assert done.code == 0, done.text
    assert "dbtasks" in packages  # else nothing was noted
    assert (packages & HEAVY, children) == (set(), [])


REFUSED = {
    "a mistake in the settings": ("reset", {"config/tiers.yaml": "tiers: 7\n"}, 2),
    "an unknown tier": ("reset --tier=nowhere", {}, 2),
    "an unknown format": ("reset --format=xml", {}, 2),
    "a mistake in .env": ("reset", {".env": "no assignment\n"}, 2),
}


@pytest.mark.parametrize(("words", "files", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_configuration_refuses_loads_no_driver_and_no_alembic(
    box: Sandbox, tmp_path: Path, words: str, files: dict[str, str], code: int
) -> None:
    before = {name: (box.root / name).read_text() if (box.root / name).exists() else None for name in files}
    for name, text in files.items():
        box.write(name, text)
    try:
        done, packages, children = noted(box, tmp_path, *words.split())
    finally:
        for name, old in before.items():
            (box.root / name).unlink() if old is None else box.write(name, old)
    assert done.code == code, done.text
    assert "dbtasks" in packages
    assert (packages & HEAVY, children) == (set(), [])


# With a spare


@pytest.fixture(scope="module")
def logging() -> Iterator[Server]:
    """A server that writes down each connection and each message of a client."""
    told = {"log_statement": "all", "log_connections": "on", "log_line_prefix": "'[%p] <%a> '"}
    with started(options=told) as server:
        server.role("keeper", "CREATEDB")
        yield server


@pytest.fixture
def team(logging: Server) -> Iterator[Project]:
    with project("counted") as made:
        made.edit("config/tiers.yaml", "most: 0 databases", "most: 8 databases")
        made.urls = {"test_database_url": logging.url("counted_int", "keeper")}
        yield made
        for name in logging.databases():
            if name.startswith(("counted_int", "dbtasks_counted_int")):
                logging.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        logging.sql("DELETE FROM dbtasks.registry WHERE project = 'counted'", "dbtasks")


def works(team: Project, words: str, **environ: str) -> str:
    done = team.invoke(words, **environ)
    assert done.code == 0, done.text
    return done.text


def log(server: Server) -> list[str]:
    return (server.folder / "log").read_text(errors="replace").splitlines()


def spare_is_used(team: Project, server: Server, **environ: str) -> list[str]:
    """Reset from a spare, and return what the server logged of it meanwhile: connections, and messages with SQL."""
    works(team, "prepare")
    before = len(log(server))
    assert "cache" in works(team, "reset", **environ)
    lines = [line for line in log(server)[before:] if line.startswith("[")]
    kinds = re.compile(r"\[\d+\] <[^>]*> LOG: +(connection authorized|statement|execute)")
    return [line for line in lines if kinds.match(line)]


def test_a_reset_from_a_spare_connects_once(team: Project, logging: Server) -> None:
    works(team, "reset")
    lines = spare_is_used(team, logging)
    connections = [line for line in lines if "connection authorized" in line]
    renamed = next(number for number, line in enumerate(lines) if "RENAME TO" in line or "BEGIN;" in line)
    assert len(connections) == 1
    assert "database=dbtasks" in connections[0]
    assert lines.index(connections[0]) < renamed


@pytest.mark.thorough
def test_the_round_trips_of_a_reset_from_a_spare_are_few_whatever_the_revisions(team: Project, logging: Server) -> None:
    def trips() -> list[str]:
        works(team, "reset")
        return [line for line in spare_is_used(team, logging) if "connection authorized" not in line]

    few = trips()
    for number in range(4, 24):
        team.revision(f"r{number}", f"op.execute('CREATE TABLE more_{number} ()')")
    many = trips()
    assert len(many) == len(few) <= 10


def ready(team: Project, tmp_path: Path) -> tuple[Notes, str]:
    """Keep a spare that was built with the path by which the notes come: what is imported from is part of the key."""
    notes = Notes(tmp_path)
    path = f"{tmp_path}:{team.environ()['PYTHONPATH']}"
    works(team, "reset", PYTHONPATH=path)
    works(team, "prepare", PYTHONPATH=path)
    return notes, path


def test_a_reset_from_a_spare_starts_no_alembic_and_no_process(team: Project, tmp_path: Path) -> None:
    notes, path = ready(team, tmp_path)
    assert "cache" in works(team, "reset", PYTHONPATH=path, **notes.environ)
    packages, children = notes.read()
    assert "psycopg" in packages
    assert packages & {"alembic", "sqlalchemy"} == set()
    assert children == []


def test_the_only_process_that_a_reset_starts_prepares_the_next(team: Project, tmp_path: Path) -> None:
    notes, path = ready(team, tmp_path)
    team.edit("config/tiers.yaml", "by_hand: true", "by_hand: false")
    works(team, "reset", PYTHONPATH=path, **notes.environ)
    team.edit("config/tiers.yaml", "by_hand: false", "by_hand: true")
    _, children = notes.read()
    started_ones = [each for each in children if each.startswith("subprocess.Popen")]
    assert len(started_ones) == 1
    assert "'dbtasks', 'prepare'" in started_ones[0]
    works(team, "prepare")  # waits for the one in the background


# The server's own log


_WRITES = re.compile(
    r"\[\d+\] <[^>]*> LOG: +(?:statement|execute [^:]*): "
    r"(?:CREATE|ALTER|DROP|INSERT|UPDATE|DELETE|COPY|TRUNCATE|COMMENT|GRANT|REVOKE)\b"
)


def test_whatever_writes_or_copies_bears_its_entry_in_the_servers_log(team: Project, logging: Server) -> None:
    before = len(log(logging))
    works(team, "reset")
    team.revision("r4", "op.execute('CREATE TABLE logged ()')")
    for words in ("migrate", "seed", "backup"):
        works(team, words)
    lines = [line for line in log(logging)[before:] if _WRITES.match(line)]
    named = re.compile(r"\[\d+\] <dbtasks/(\d+)[ >]")
    assert [line for line in lines if not named.match(line)] == []
    entries = {int(found[1]) for line in lines if (found := named.match(line))}
    intents = {each["entry"]: each["intent"]["operation"] for each in json.loads(works(team, "audit --format=json"))}
    assert {intents[entry] for entry in entries} >= {"reset", "migrate", "backup"}
