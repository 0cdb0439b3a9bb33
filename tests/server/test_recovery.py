"""A server recovered to a mark holds what was there before it and nothing of what came after, or does not come up."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from dbtasks import base_backups, wal
from dbtasks.database import Scratch, look, open_to_write
from dbtasks.errors import RecoveryFailedError
from dbtasks.evidence import ServerRole
from dbtasks.inspection import look_at_server
from dbtasks.recovery import rooms, upkeep
from dbtasks.recovery.engines.archive import Archive
from dbtasks.recovery.goals import AtName, AtPosition, AtTime, BeforeMark
from dbtasks.recovery.marks import Record, mark_from
from dbtasks.recovery.proof import Proof
from dbtasks.recovery.proving import prove
from dbtasks.recovery.recovering import recover
from dbtasks.situation import situate
from tests.server.recovery_ground import (
    Ground,
    live_dump,
    private,
    proven,
    recovered_dump,
    seen,
    unproven,
    write,
)
from tests.server.recovery_ground import team as team
from tests.unit.guard_cells import STG

pytestmark = [pytest.mark.timeout(120), pytest.mark.outside]


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with private() as made:
        made.run("CREATE TABLE notes (text text)")
        proven(made, made.mark())  # else the archive is empty until some test has a segment ended
        yield made


@pytest.fixture(params=["private", pytest.param("a team's", marks=pytest.mark.thorough)])
def either(request: pytest.FixtureRequest) -> Ground:
    if request.param == "private":
        return request.getfixturevalue("ground")  # type: ignore[no-any-return] # it has no type
    return request.getfixturevalue("team")[1]  # type: ignore[no-any-return] # as above


def copy_of(ground: Ground, folder: Path) -> Archive:
    """Return an engine on a copy of the archive, for a test to damage."""
    assert isinstance(ground.engine, Archive)
    shutil.copytree(ground.engine.folder, folder)
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "postgres")
    return replace(ground.engine, folder=folder)


@pytest.fixture
def elsewhere(ground: Ground) -> Iterator[Path]:
    folder = ground.root / "copied"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


# What is there, and what is not


def test_what_came_before_the_mark_is_there_and_what_came_after_is_not(either: Ground) -> None:
    write(either, "before")
    before = live_dump(either)
    mark = either.mark()
    write(either, "after")
    either.run("DELETE FROM notes WHERE text = 'before'")

    proof = proven(either, mark)
    with either.recovered(mark) as recovered:
        assert recovered_dump(recovered) == before
        assert seen(recovered, "SELECT count(*) FROM notes WHERE text = 'after'") == [0]
        assert (recovered.lsn, recovered.goal.split()[2]) == (wal.shown(mark.lsn), mark.name)
    assert (proof.mark, proof.segment) == (mark.name, mark.segment)
    assert either.left() == []


def test_the_private_server_can_be_recovered_from_its_first_moment_on(ground: Ground) -> None:
    first, *_ = base_backups.kept(ground.shelf)

    assert first.origin.system_identifier == ground.identifier
    assert first.origin.begin < ground.mark().lsn
    assert upkeep.wants_base(ground.engine, ground.connection) is None


@pytest.mark.thorough
def test_the_live_server_does_not_notice(ground: Ground) -> None:
    write(ground, "live")
    mark = ground.mark()
    with ground.recovered(mark) as recovered:
        settings = ("archive_mode", "listen_addresses", "cluster_name", "port", "data_directory")
        theirs = [seen(recovered, f"SHOW {name}")[0] for name in settings]
        assert theirs[:3] == ["off", "", recovered.cluster_name]
        for mine, other in zip([ground.rows(f"SHOW {name}")[0] for name in settings[3:]], theirs[3:], strict=True):
            assert mine != other
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), look(recovered.conninfo("postgres")) as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('x')")

    assert {name for name in ground.engine.names() or () if name > mark.segment} == set()


@pytest.mark.thorough
def test_a_recovered_server_is_known_for_one_before_and_after_its_promotion(ground: Ground) -> None:
    mark = ground.mark()
    roles = []
    with ground.recovered(mark) as recovered:
        for promoted in (False, True):
            conninfo = recovered.conninfo("postgres")
            with look(conninfo) as connection:
                server = look_at_server(connection)
            roles.append((server.standby, situate(STG, "shop", [], (server, None, "shop_stg")).server_role))
            if not promoted:
                with open_to_write(Scratch(conninfo), conninfo) as connection:
                    connection.execute("SELECT pg_promote()")

    assert roles == [(True, ServerRole.RECOVERED), (False, ServerRole.RECOVERED)]


# Goals


@pytest.mark.thorough
def test_a_time_a_position_and_a_name_are_goals_as_well(ground: Ground) -> None:
    write(ground, "goal 1")
    (position,) = ground.rows("SELECT pg_create_restore_point('by_hand')::text")
    time.sleep(0.02)
    at = datetime.now(UTC)
    time.sleep(0.02)
    write(ground, "goal 2")
    proven(ground, ground.mark())
    goals = (AtTime(at=at), AtPosition(lsn=wal.position(str(position))), AtName(name="by_hand"))
    found = []
    for goal in goals:
        with ground.recovered(goal) as recovered:
            found.append(seen(recovered, "SELECT text FROM notes WHERE text LIKE 'goal%' ORDER BY 1"))

    assert found == [["goal 1"]] * 3


def test_of_two_restore_points_with_one_name_a_mark_is_the_one_that_was_made(ground: Ground) -> None:
    first = ground.mark()
    write(ground, "between")
    (text,) = ground.rows(f"SELECT pg_create_restore_point('{first.name}')::text")
    second = replace(first, lsn=wal.position(str(text)), begins=wal.position(str(text)) - 104)
    write(ground, "afterwards")
    proven(ground, ground.mark())
    with ground.recovered(second) as recovered:
        assert seen(recovered, "SELECT text FROM notes WHERE text IN ('between', 'afterwards')") == ["between"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("goal", "why"),
    [
        (AtName(name="nobody_made_this"), "the log ends before the point"),
        (AtTime(at=datetime.now(UTC) + timedelta(days=30)), "the log ends before the point"),
        (AtTime(at=datetime(2001, 1, 1, tzinfo=UTC)), "There is no base backup"),
    ],
    ids=["no such name", "the future", "before everything"],
)
def test_a_goal_that_cannot_be_reached_ends_in_a_sentence_and_never_in_a_server(
    ground: Ground, goal: AtName | AtTime, why: str
) -> None:
    with pytest.raises(RecoveryFailedError, match=why):
        recover(ground.request(goal), lambda _line: None)

    assert ground.left() == []


# Marks


def test_a_mark_goes_through_the_trail_as_it_was(ground: Ground) -> None:
    mark = ground.mark()

    assert mark_from(mark.as_data()) == mark
    assert (mark.record, mark.switched, len(mark.name), mark.name[:4]) == (Record.RESTORE_POINT, True, 20, "dbt_")


# Proofs


def flip(path: Path, lsn: int, size: int) -> None:
    """Change a byte right before a position."""
    data = bytearray(path.read_bytes())
    data[lsn % size - 20] ^= 0xFF
    path.write_bytes(data)


def truncate(path: Path, lsn: int, size: int) -> None:
    del lsn
    path.write_bytes(path.read_bytes()[: size // 2])


def empty(path: Path, lsn: int, size: int) -> None:
    del lsn
    path.write_bytes(bytes(size))


def swap(path: Path, lsn: int, size: int) -> None:
    del lsn, size
    earlier = min(path.parent.iterdir())
    path.write_bytes(earlier.read_bytes())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (flip, "does not hold the mark"),
        (truncate, "was not archived within"),
        (empty, "does not hold the mark"),
        (swap, "does not hold the mark"),
    ],
)
def test_a_segment_that_is_not_what_was_written_is_no_proof(
    ground: Ground, elsewhere: Path, damage: object, told: str
) -> None:
    ground.mark()
    mark = ground.mark()
    proven(ground, mark)
    engine = copy_of(ground, elsewhere)
    damage(engine.folder / mark.segment, mark.lsn, mark.segment_bytes)  # type: ignore[operator] # one of the above

    assert told in unproven(ground, mark, engine, patience_s=0.5)


def test_without_a_base_backup_there_is_no_proof(ground: Ground, tmp_path: Path) -> None:
    assert isinstance(ground.engine, Archive)
    engine = replace(ground.engine, shelf=tmp_path)

    assert "There is no base backup" in unproven(ground, ground.mark(), engine)
    assert upkeep.wants_base(engine, ground.connection) == "there is none of this server"


def test_a_segment_that_is_missing_on_the_way_is_named_by_the_proof_and_by_the_recovery(
    ground: Ground, elsewhere: Path
) -> None:
    proven(ground, ground.mark())
    between, mark = ground.mark(), ground.mark()
    proven(ground, mark)
    engine = copy_of(ground, elsewhere)
    newest = engine.bases.kept()[-1].origin
    first = wal.segments(1, newest.begin, newest.begin + 1, newest.segment_bytes)[0]
    for name, why in ((between.segment, "the log ends before the point"), (first, "the archive could not be reached")):
        (engine.folder / name).unlink()

        assert f"The archive lacks {name}" in unproven(ground, mark, engine)
        with pytest.raises(RecoveryFailedError, match=f"{why}. The archive lacks {name}"):
            recover(ground.request(BeforeMark(mark=mark), engine), lambda _line: None)
        assert ground.left() == []
        assert f"lacks {name}" in str(upkeep.wants_base(engine, ground.connection))


# An archive that cannot be reached


def test_an_archive_that_is_away_never_promotes(ground: Ground, elsewhere: Path) -> None:
    mark = ground.mark()
    proven(ground, mark)
    engine = copy_of(ground, elsewhere)
    shutil.rmtree(elsewhere)
    elsewhere.mkdir()  # a folder on which nothing is mounted any more, or into which nothing was archived yet

    told = "the archive could not be reached. There is nothing in the archive: "
    with pytest.raises(RecoveryFailedError, match=told):
        recover(ground.request(BeforeMark(mark=mark), engine), lambda _line: None)
    assert ground.left() == []


@pytest.mark.thorough
def test_an_archive_that_goes_away_on_the_way_never_promotes(ground: Ground, elsewhere: Path) -> None:
    for _ in range(3):
        ground.mark()
    mark = ground.mark()
    proven(ground, mark)
    engine = copy_of(ground, elsewhere)
    count, limit = elsewhere / "count", len(engine.names() or ()) - 2
    script = (
        f'echo x >> {count}; test $(wc -l < {count}) -le {limit} && test -f {engine.folder}/"$1" && '
        f'cp {engine.folder}/"$1" "$2" || {{ echo "no route to it" >&2; exit 9; }}'
    )
    away = replace(engine, command=("/bin/sh", "-c", script, "sh", "{name}", "{path}"))

    with pytest.raises(RecoveryFailedError, match=r"the archive could not be reached \(no route to it\)\."):
        recover(ground.request(BeforeMark(mark=mark), away), lambda _line: None)
    assert len(count.read_text().splitlines()) > limit
    assert ground.left() == []


@pytest.mark.thorough
def test_a_command_of_the_teams_own_fetches_as_a_folder_does(ground: Ground) -> None:
    assert isinstance(ground.engine, Archive)
    write(ground, "by command")
    mark = ground.mark()
    words = ("cp", f"{ground.engine.folder}/{{name}}", "{path}")
    engine = replace(ground.engine, folder=Path("/nonexistent"), command=words)

    found = prove(engine, ground.connection, mark)
    assert isinstance(found, Proof)
    assert found.followed is None
    with ground.recovered(mark, engine) as recovered:
        assert seen(recovered, "SELECT count(*) FROM notes WHERE text = 'by command'") == [1]


# Base backups


def test_a_damaged_base_backup_is_passed_over_for_the_one_before(ground: Ground) -> None:
    made = upkeep.take_base(ground.engine, ground.source, lambda _line: None)
    write(ground, "since the newest")
    mark = ground.mark()
    data = bytearray(made.tar.read_bytes())
    data[len(data) // 2] ^= 0xFF
    made.tar.write_bytes(data)
    told: list[str] = []
    recovered = recover(ground.request(BeforeMark(mark=mark)), told.append)
    try:
        assert seen(recovered, "SELECT count(*) FROM notes WHERE text = 'since the newest'") == [1]
        assert (recovered.base != made.id, any(f"{made.id} is damaged" in line for line in told)) == (True, True)
    finally:
        rooms.drop(recovered)
        base_backups.remove(made)


@pytest.mark.thorough
def test_a_base_backup_taken_after_the_point_is_passed_over(ground: Ground) -> None:
    write(ground, "before the base backup")
    ground.run("SELECT pg_create_restore_point('before_the_base_backup')")
    mark, at = ground.mark(), datetime.now(UTC)
    write(ground, "after the point, before the base backup")
    newest = upkeep.take_base(ground.engine, ground.source, lambda _line: None)
    write(ground, "after the base backup")
    ground.mark()
    for goal in (BeforeMark(mark=mark), AtPosition(lsn=mark.lsn), AtTime(at=at), AtName(name="before_the_base_backup")):
        with ground.recovered(goal) as recovered:
            texts = seen(recovered, "SELECT text FROM notes WHERE text LIKE '% the base backup'")
            assert texts == ["before the base backup"]
            assert recovered.base != newest.id
    base_backups.remove(newest)


@pytest.mark.thorough
def test_what_no_recovery_needs_any_more_goes_and_nothing_else(ground: Ground) -> None:
    taken = [upkeep.take_base(ground.engine, ground.source, lambda _line: None) for _ in range(2)]
    write(ground, "kept")
    mark = ground.mark()
    proven(ground, mark)
    now = taken[1].taken_at + timedelta(hours=1)

    gone = upkeep.prune(ground.engine, ground.identifier, timedelta(minutes=59), now=now)

    assert taken[0].id in gone
    assert [each.id for each in base_backups.kept(ground.shelf)] == [taken[1].id]
    first = wal.segment(1, taken[1].origin.begin + 1, mark.segment_bytes)
    assert min(ground.engine.names() or ()) == first
    with ground.recovered(mark) as recovered:
        assert seen(recovered, "SELECT count(*) FROM notes WHERE text = 'kept'") == [1]
