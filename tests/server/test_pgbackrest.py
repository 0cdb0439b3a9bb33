"""Recovery out of a repository of pgBackRest: what it proves, what it reaches, and what is wrong with a repository."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dbtasks.errors import RecoveryFailedError
from dbtasks.recovery import fetching, server, upkeep
from dbtasks.recovery.engines.pgbackrest import PgBackRest
from dbtasks.recovery.goals import BeforeMark
from dbtasks.recovery.proof import Unproven
from dbtasks.recovery.proving import prove
from dbtasks.recovery.recovering import recover
from tests.server.pgbackrest_ground import ENCRYPTED, PASSPHRASE, Site, flipped, foreign, ground, misread, site
from tests.server.recovery_ground import Ground, live_dump, proven, recovered_dump, seen, write
from tests.server.road import own

pytestmark = [pytest.mark.timeout(120), pytest.mark.outside, pytest.mark.pgbackrest]

# What a team's own configuration may say, and what would lead a careless restore to the live server's files.
OUTWARD = "delta=y\nlink-all=y"
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def live() -> Iterator[tuple[Site, Ground]]:
    """A server with a table in a tablespace, whose repository is encrypted and has one full backup."""
    with site(f"{ENCRYPTED}\n{OUTWARD}") as made, ground(made) as found:
        place = made.server.folder / "space"
        place.mkdir()
        own(place)
        found.run(f"CREATE TABLESPACE space LOCATION '{place}'")
        found.run("CREATE TABLE notes (text text) TABLESPACE space")
        upkeep.make_ready(found.engine, found.source, WEEK)
        yield made, found


def unproven(found: Ground, engine: PgBackRest | None = None) -> str:
    told = prove(engine or found.engine, found.connection, found.mark(), patience_s=5)
    assert isinstance(told, Unproven), told
    return told.why


def test_what_came_before_a_mark_is_recovered_beside_the_live_server(live: tuple[Site, Ground]) -> None:
    _, found = live
    write(found, "before")
    before = live_dump(found)
    mark = found.mark()
    write(found, "after")
    after = live_dump(found)
    proof = proven(found, mark)
    assert (proof.engine, proof.segment, (proof.followed or 0) > 1) == ("pgbackrest", mark.segment, True)

    with found.recovered(mark) as recovered:
        assert recovered_dump(recovered) == before
        (place,) = seen(recovered, "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'space'")
        assert Path(str(place)).is_relative_to(recovered.folder)
        assert seen(recovered, "SHOW archive_mode") == ["off"]
    assert live_dump(found) == after
    assert found.left() == []
    assert upkeep.wants_base(found.engine, found.connection) is None


def test_the_program_that_fetches_tells_missing_from_unreachable(live: tuple[Site, Ground], tmp_path: Path) -> None:
    made, found = live
    mark = found.mark()
    proven(found, mark)
    base, *_ = found.engine.bases.kept()
    text = fetching.script(found.engine.fetching(), server.known(base), tmp_path, pauses_s=())
    script = tmp_path / "fetch"
    script.write_text(text)

    def fetched(name: str) -> int:
        command = ["/bin/sh", str(script), name, str(tmp_path / "got")]
        return subprocess.run(command, cwd=made.server.folder / "data", check=False).returncode

    assert (fetched(mark.segment), fetched("0000000100000000000000FF")) == (0, 1)
    with made.gone():
        assert fetched(mark.segment) == 200
        assert fetched("0000000100000000000000FF") == 200


def test_a_segment_that_is_gone_or_damaged_is_no_proof(live: tuple[Site, Ground]) -> None:
    made, found = live
    between, mark = found.mark(), found.mark()
    proven(found, mark)
    (path,) = made.files(f"archive/*/*/*/{mark.segment}-*")
    with flipped(path):
        told = prove(found.engine, found.connection, mark)
        assert isinstance(told, Unproven)
        assert "cannot be used" in told.why
    aside = path.rename(path.with_name("aside"))
    told = prove(found.engine, found.connection, mark)
    assert isinstance(told, Unproven)
    assert told.why.startswith(
        f"The server says that it archived {mark.segment}, and pgBackRest's stanza shop does not"
    )
    aside.rename(path)

    (path,) = made.files(f"archive/*/*/*/{between.segment}-*")
    aside = path.rename(path.with_name("aside"))
    try:
        told = prove(found.engine, found.connection, mark)
        assert isinstance(told, Unproven)
        assert told.why.startswith(f"The archive lacks {between.segment}, which")
        with pytest.raises(RecoveryFailedError, match=f"The archive lacks {between.segment}"):
            recover(found.request(BeforeMark(mark=mark)), lambda _line: None)
    finally:
        aside.rename(path)
    assert found.left() == []


def test_a_repository_that_cannot_be_reached_proves_and_recovers_nothing(live: tuple[Site, Ground]) -> None:
    made, found = live
    mark = found.mark()
    proven(found, mark)
    with made.gone():
        with pytest.raises(RecoveryFailedError, match="pgBackRest's stanza shop cannot be used: missing stanza path"):
            prove(found.engine, found.connection, mark)
        with pytest.raises(RecoveryFailedError, match="cannot be used"):
            recover(found.request(BeforeMark(mark=mark)), lambda _line: None)
        with pytest.raises(RecoveryFailedError, match="The server cannot be recovered: pgBackRest's stanza shop"):
            upkeep.make_ready(found.engine, found.source, WEEK)
    assert found.left() == []
    proven(found, mark)


def test_a_broken_stanza_and_a_wrong_passphrase_are_told_without_the_passphrase(live: tuple[Site, Ground]) -> None:
    made, found = live
    mark = found.mark()
    with pytest.raises(RecoveryFailedError) as told:
        prove(PgBackRest(repository=misread(made)), found.connection, mark)
    assert PASSPHRASE not in str(told.value)

    with made.broken(), pytest.raises(RecoveryFailedError, match="cannot be used"):
        prove(found.engine, found.connection, mark)
    proven(found, mark)


def test_a_stanza_of_another_server_is_none_of_this_one(live: tuple[Site, Ground]) -> None:
    made, found = live
    with foreign(made) as other:
        engine = PgBackRest(repository=other)
        assert engine.obstacles(found.connection) == ("pgBackRest's stanza shop is of another server",)
        assert unproven(found, engine) == "There is no base backup of this server in pgBackRest's stanza shop."
        with pytest.raises(RecoveryFailedError, match="There is no base backup"):
            recover(found.request(BeforeMark(mark=found.mark()), engine), lambda _line: None)


def test_a_damaged_backup_is_passed_over_for_the_one_before_it(live: tuple[Site, Ground]) -> None:
    made, found = live
    first, *_ = found.engine.bases.kept()
    made.run("--type=full", "backup")
    second = found.engine.bases.kept()[-1]
    mark = found.mark()
    assert proven(found, mark).base == second.id

    with flipped(max(made.files(f"backup/shop/{second.id}/pg_data/base/*/*.gz"), key=lambda path: path.stat().st_size)):
        with found.recovered(mark) as recovered:
            assert recovered.base == first.id
        only = PgBackRest(repository=made.repository, only=second.id)
        with pytest.raises(RecoveryFailedError, match="cannot be used"):
            recover(found.request(BeforeMark(mark=mark), only), lambda _line: None)
    assert found.left() == []


def test_without_its_log_there_is_no_backup(live: tuple[Site, Ground]) -> None:
    made, found = live
    before = found.engine.bases.kept()
    with (
        made.archiving("/bin/true"),
        pytest.raises(RecoveryFailedError, match="'/bin/true' must contain pgbackrest"),
    ):
        upkeep.take_base(found.engine, found.source, lambda _line: None)
    assert found.engine.bases.kept() == before
