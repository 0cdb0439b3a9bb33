"""A team's own server: what it may refuse, what its archive may hide, and how a mark is proven and reached there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dbtasks.conninfo import parse
from dbtasks.database import Scratch, open_to_write
from dbtasks.errors import NoMarkError
from dbtasks.recovery import rooms, upkeep
from dbtasks.recovery.goals import BeforeMark
from dbtasks.recovery.marks import Record, make_mark
from dbtasks.recovery.proof import Proof, Unproven
from dbtasks.recovery.proving import prove
from dbtasks.recovery.recovering import recover
from tests.server import abroad
from tests.server.recovery_ground import Ground, archive_with, proven, seen, teams, unproven, write
from tests.server.recovery_ground import team as team
from tests.server.road import PASSWORD, Server

pytestmark = [pytest.mark.timeout(120), pytest.mark.outside]


@pytest.fixture
def grown() -> Iterator[tuple[Server, Ground]]:
    with teams() as made:
        yield made


def test_who_may_not_create_restore_points_recovers_by_the_position(team: tuple[Server, Ground]) -> None:
    server, ground = team
    ground.run(f"CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'; GRANT INSERT ON notes TO plain")
    conninfo = parse(server.url("postgres", "plain"), variable="a test's")
    ground.run("GRANT EXECUTE ON FUNCTION pg_switch_wal() TO plain")
    with open_to_write(Scratch(conninfo), conninfo) as connection:
        connection.execute("INSERT INTO notes (text) VALUES ('plain before')")
        mark = make_mark(connection)
        connection.execute("INSERT INTO notes (text) VALUES ('plain after')")
        proof = prove(ground.engine, connection, mark)

    assert (mark.record, isinstance(proof, Proof)) == (Record.MESSAGE, True), proof
    with ground.recovered(mark) as recovered:
        assert seen(recovered, "SELECT text FROM notes WHERE text LIKE 'plain%'") == ["plain before"]
    ground.run("REVOKE EXECUTE ON FUNCTION pg_switch_wal() FROM plain")
    with open_to_write(Scratch(conninfo), conninfo) as connection:
        found = prove(ground.engine, connection, make_mark(connection))
    assert isinstance(found, Unproven)
    assert (found.why[:24], found.instead[-13:]) == (
        "The role may not end 000",
        "(text), pg_switch_wal() TO plain"[-13:],
    )


def test_an_archive_command_that_throws_files_away_is_no_proof(team: tuple[Server, Ground]) -> None:
    _, ground = team
    usual = str(ground.rows("SHOW archive_command")[0])
    archive_with(ground, "/bin/true")
    try:
        mark = ground.mark()
        told = unproven(ground, mark)
    finally:
        archive_with(ground, usual)
        upkeep.take_base(ground.engine, ground.source, lambda _line: None)  # over the gap

    assert told.startswith(f"The server says that it archived {mark.segment}, and it is not in ")


@pytest.mark.thorough
def test_an_archive_command_that_fails_is_told_with_its_file(team: tuple[Server, Ground]) -> None:
    _, ground = team
    usual = str(ground.rows("SHOW archive_command")[0])
    archive_with(ground, "exit 1")
    try:
        mark = ground.mark()
        told = unproven(ground, mark, patience_s=1.5)
    finally:
        archive_with(ground, usual)

    assert told.startswith(f"archive_command fails: for {mark.segment}, ")


@pytest.mark.thorough
def test_no_archive_is_told_at_once() -> None:
    with teams(archive_mode="off") as (_, ground):
        upkeep.take_base(ground.engine, ground.source, lambda _line: None)
        begun = time.monotonic()
        told = unproven(ground, ground.mark(), patience_s=60)

        assert (told[:31], time.monotonic() - begun < 30) == ("The server archives nothing: it", True)
        assert ground.engine.obstacles(ground.connection)[0][:19] == "archive_mode is off"


@pytest.mark.thorough
def test_settings_that_have_grown_since_the_base_backup_are_met(grown: tuple[Server, Ground]) -> None:
    server, ground = grown
    ground.run("CREATE TABLE notes (text text)")
    base = upkeep.take_base(ground.engine, ground.source, lambda _line: None)
    ground.connection.close()
    abroad.stop(server)
    abroad.start(server, {"archive_mode": "on", "wal_level": "replica", "max_connections": "150"})
    with open_to_write(Scratch(ground.conninfo), ground.conninfo) as connection:
        again = replace(ground, connection=connection)
        write(again, "with more connections")
        mark = again.mark()
        proven(again, mark)
        request = replace(again.request(BeforeMark(mark=mark)), at_least={})
    recovered = recover(request, lambda _line: None)
    try:
        assert seen(recovered, "SELECT count(*) FROM notes WHERE text = 'with more connections'") == [1]
        assert (recovered.base, seen(recovered, "SHOW max_connections")) == (base.id, ["150"])
    finally:
        rooms.drop(recovered)


def test_a_server_that_keeps_too_little_takes_no_mark(server: object) -> None:
    conninfo = server.conninfo("postgres")  # type: ignore[attr-defined] # the private throw-away server
    with open_to_write(Scratch(conninfo), conninfo) as connection, pytest.raises(NoMarkError, match="wal_level"):
        make_mark(connection)
