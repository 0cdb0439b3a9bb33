"""What needs no server of a recovery: positions, what a log says, the command that fetches segments, base backups."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbtasks import base_backups, embedded, wal
from dbtasks.base_backups import BaseBackup, Origin
from dbtasks.conninfo import Secret
from dbtasks.embedded.account import Account
from dbtasks.embedded.first_backup import put_aside
from dbtasks.errors import DbtasksError, RecoveryFailedError
from dbtasks.recovery import fetching as fetch
from dbtasks.recovery import goals
from dbtasks.recovery.engines import Fetching
from dbtasks.recovery.engines.archive import Archive
from dbtasks.recovery.engines.choosing import engine_of
from dbtasks.recovery.engines.pgbackrest import PgBackRest
from dbtasks.recovery.engines.receivewal import Receiver
from dbtasks.recovery.goals import AtName, AtPosition, AtTime, BeforeMark
from dbtasks.recovery.judging import Judgement, judge
from dbtasks.recovery.marks import Mark, mark_from
from dbtasks.recovery.repository import Repository
from dbtasks.recovery.unpacking import DamagedBaseError, unpack
from dbtasks.settings import load
from dbtasks.tiers import Recovery, RecoveryEngine, Tier
from tests.unit.guard_cells import STG

posix = pytest.mark.skipif(sys.platform == "win32", reason="a shell's command")
MB = 1 << 20
ORIGIN = Origin(
    system_identifier=7301, timeline=1, begin=3 * MB, end=4 * MB, segment_bytes=16 * MB, major=18, superuser="postgres"
)
MARK = Mark(
    name="dbt_0123456789abcdef",
    lsn=wal.position("0/5000090"),
    begins=wal.position("0/5000028"),
    timeline=1,
    segment_bytes=16 * MB,
    system_identifier=7301,
    at=datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC),
)


@pytest.mark.parametrize("text", ["", "0", "0/", "/0", "0/123456789", "x/1", "1/2/3"])
def test_what_is_no_position_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no position in the write-ahead log"):
        wal.position(text)


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (100, 200, ["000000020000000000000001"]),
        (100, 201, ["000000020000000000000001", "000000020000000000000002"]),
        (199, 200, ["000000020000000000000001"]),
    ],
    ids=["just one", "a byte more", "its last byte"],
)
def test_a_span_lies_in_the_segments_that_hold_its_bytes(begin: int, end: int, expected: list[str]) -> None:
    assert list(wal.segments(2, begin, end, 100)) == expected
    assert wal.segment(2, end, 100) == expected[-1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("0000000100000000000000FF", True), ("00000002.history", False), ("0000000100000000000000FF.part", False)],
)
def test_a_segment_is_known_by_its_name(name: str, expected: bool) -> None:
    assert wal.is_segment(name) is expected


def test_a_record_across_a_border_lies_in_two_segments() -> None:
    across = replace(MARK, begins=wal.position("0/4FFFFF0"))

    assert across.segments == ("000000010000000000000004", "000000010000000000000005")
    assert across.segment == across.segments[1]


@pytest.mark.parametrize("change", [{"lsn": "nowhere"}, {"record": "a note"}, {"at": ""}, {"timeline": None}])
def test_what_was_no_mark_is_told_in_a_sentence(change: dict[str, object]) -> None:
    with pytest.raises(DbtasksError, match="What was kept of a recovery mark cannot be read"):
        mark_from(MARK.as_data() | change)


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        (BeforeMark(mark=MARK), {"recovery_target_lsn": "0/5000090", "recovery_target_timeline": "1"}),
        (AtPosition(lsn=MARK.lsn), {"recovery_target_lsn": "0/5000090", "recovery_target_timeline": "current"}),
        (AtName(name="it's"), {"recovery_target_name": "it's", "recovery_target_timeline": "current"}),
        (AtTime(at=MARK.at), {"recovery_target_time": MARK.at.isoformat(), "recovery_target_timeline": "current"}),
    ],
    ids=["mark", "position", "name", "time"],
)
def test_each_goal_is_left_out_itself_pauses_and_never_leaves_its_timeline(
    goal: goals.Goal, expected: dict[str, str]
) -> None:
    always = {"recovery_target_inclusive": "off", "recovery_target_action": "pause"}
    assert goals.settings(goal) == expected | always


LOGS = {
    'LOG:  recovery stopping before WAL location (LSN) "0/3000060"': Judgement(
        stopped='recovery stopping before WAL location (LSN) "0/3000060"'
    ),
    "LOG:  recovery stopping before commit of transaction 738, time 2026-11-23 04:05:06+00": Judgement(
        stopped="recovery stopping before commit of transaction 738, time 2026-11-23 04:05:06+00"
    ),
    'LOG:  restored log file "000000010000000000000002" from archive\n'
    'LOG:  restored log file "00000002.history" from archive\n': Judgement(restored=1),
    'FATAL:  could not restore file "000000010000000000000002" from archive: command returned exit code 201': Judgement(
        failed="the archive could not be reached"
    ),
    'FATAL:  could not restore file "000000010000000000000002" from archive: child process exited with exit code 202': (
        Judgement(failed="what fetches the log was killed")
    ),
    'FATAL:  could not restore file "000000010000000000000002" from archive: '
    "child process was terminated by signal 9: Killed": Judgement(failed="what fetches the log was killed"),
    "FATAL:  recovery ended before configured recovery target was reached": Judgement(
        failed="the log ends before the point"
    ),
    "FATAL:  requested recovery stop point is before consistent recovery point": Judgement(
        failed="the base backup was made after the point", too_early=True
    ),
    "WARNING:  hot standby is not possible because of insufficient parameter settings\n"
    "DETAIL:  max_connections = 100 is a lower setting than on the primary server, where its value was 150.": Judgement(
        too_low=(("max_connections", "150"),)
    ),
    "LOG:  database system is ready to accept read-only connections": Judgement(),
}


@pytest.mark.parametrize("log", LOGS, ids=range(len(LOGS)))
def test_a_log_says_what_came_of_a_recovery(log: str) -> None:
    assert judge(log) == LOGS[log]


@posix
@pytest.mark.parametrize("folder", ["archive", 'it\'s 100%p $HOME "quoted" `id`'], ids=["plain", "hostile"])
@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        (("first", "wanted"), "wanted", (0, True, "")),
        (("first",), "wanted", (1, False, "wanted\n")),
        ((), "wanted", (201, False, "")),
        (("first", "wanted/"), "wanted", (200, False, "")),
    ],
    ids=["there", "not there", "nothing there any more", "there and unreadable"],
)
def test_only_what_is_known_to_be_there_tells_missing_from_unreachable(
    tmp_path: Path, folder: str, there: tuple[str, ...], asked: str, expected: tuple[int, bool, str]
) -> None:
    archive, target = tmp_path / folder, tmp_path / "target"
    archive.mkdir()
    for name in there:
        (archive / name).mkdir() if name.endswith("/") else (archive / name).write_bytes(b"wal")
    engine = Archive(folder=archive, shelf=tmp_path)

    assert fetched(tmp_path, engine.fetching(), asked, target) == expected


@posix
def test_a_command_gets_names_and_paths_whole(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"wal")
    engine = Archive(folder=tmp_path, shelf=tmp_path, command=("cp", f"{tmp_path}/{{name}}", "{path}"))

    assert fetched(tmp_path, engine.fetching(), "a b", tmp_path / "to $HOME") == (0, True, "")


@posix
@pytest.mark.parametrize("failing", [1, 2], ids=["nothing can be fetched", "a file cannot be read"])
def test_what_was_not_reached_is_asked_for_again_and_then_counts_as_unreachable(tmp_path: Path, failing: int) -> None:
    (tmp_path / "first").write_bytes(b"wal")
    (tmp_path / "wanted").write_bytes(b"wal")
    asked = tmp_path / "asked"
    count = f"echo \"$1\" >> '{asked}'"

    def reached(times: int) -> tuple[tuple[int, bool, str], list[str]]:
        asked.write_text("")
        body = f"{count}; test $(wc -l < '{asked}') -gt {times} || return {failing}; cp '{tmp_path}'/\"$1\" \"$2\""
        return fetched(tmp_path, Fetching(body=body), "wanted", tmp_path / "to"), asked.read_text().split()

    each = ["wanted", "first"] if failing == 1 else ["wanted"]
    assert reached(0) == ((0, True, ""), ["wanted"])
    assert reached(2 * len(each)) == ((0, True, ""), [*each, *each, "wanted"])
    (tmp_path / "to").unlink()
    assert reached(99) == (({1: 201, 2: 200}[failing], False, ""), each * 3)


@posix
@pytest.mark.parametrize("whose", ["the folder's", "a team's own"])
def test_a_command_that_was_killed_is_told_apart_from_one_that_failed(tmp_path: Path, whose: str) -> None:
    script = tmp_path / "cp"
    script.write_text("#!/bin/sh\nkill -9 $$\n")
    script.chmod(0o755)
    (tmp_path / "wanted").write_bytes(b"wal")
    command = () if whose == "the folder's" else (str(script), "{name}", "{path}")
    body = Archive(folder=tmp_path, shelf=tmp_path, command=command).fetching().body

    killed = Fetching(body=f"PATH='{tmp_path}':$PATH\n  {body}")
    assert fetched(tmp_path, killed, "wanted", tmp_path / "to") == (202, False, "")


@posix
def test_the_last_words_of_what_could_not_fetch_are_kept_without_secrets(tmp_path: Path) -> None:
    word = "s3cret-of-an-archive"
    say = f"echo first; echo 'no way to postgresql://anna:{word}@archive/x' >&2; echo; exit 7"
    engine = Archive(folder=tmp_path, shelf=tmp_path, command=("/bin/sh", "-c", say))
    assert fetch.said(tmp_path) == ""

    assert fetched(tmp_path, engine.fetching(), "wanted", tmp_path / "to") == (201, False, "")
    assert fetch.said(tmp_path) == "no way to postgresql://anna:***@archive/x"


def fetched(folder: Path, fetching: Fetching, asked: str, target: Path) -> tuple[int, bool, str]:
    """Return the exit code of the program that the recovered server calls, whether the file came, and what it noted."""
    script = folder / "fetch"
    script.write_text(fetch.script(fetching, "first", folder, ("0", "0")), encoding="utf-8")
    for path in fetch.files(folder):
        path.write_text("")
    done = subprocess.run(["/bin/sh", script, asked, target], capture_output=True, check=False)
    return done.returncode, target.is_file(), "".join(f"{name}\n" for name in fetch.missing(folder))


# Base backups


def made(shelf: Path, content: bytes = b"x" * 1000) -> BaseBackup:
    with base_backups.being_made(shelf) as (folder, written):
        written.write(content)
        return base_backups.finish(folder, written, ORIGIN)


def test_a_base_backup_is_read_as_it_was_written(tmp_path: Path) -> None:
    backup = made(tmp_path / "shelf")

    assert base_backups.kept(tmp_path / "shelf") == (backup,)
    assert (backup.size_bytes, backup.tar.stat().st_size, backup.origin) == (1000, 1000, ORIGIN)
    assert backup.folder.stat().st_mode & 0o777 == 0o700


def test_one_that_was_never_finished_is_none(tmp_path: Path) -> None:
    with base_backups.being_made(tmp_path) as (folder, written):
        written.write(b"x")
        assert base_backups.kept(tmp_path) == ()
    assert not folder.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "settings": []}'])
def test_a_note_that_is_garbage_is_told_with_its_path(tmp_path: Path, text: str) -> None:
    facts = made(tmp_path).folder / base_backups.FACTS
    facts.write_text(text)

    with pytest.raises(DbtasksError, match=f"The note of a base backup cannot be read: {facts}"):
        base_backups.kept(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no tar file at all" * 100], ids=["empty", "garbage"])
def test_what_is_no_tar_file_is_damaged(tmp_path: Path, content: bytes) -> None:
    backup = made(tmp_path / "shelf", content)

    with pytest.raises(DamagedBaseError, match="is damaged"):
        unpack(backup, tmp_path / "data", Account())
    assert issubclass(DamagedBaseError, RecoveryFailedError)


def test_an_archive_of_an_earlier_data_directory_is_put_aside(tmp_path: Path) -> None:
    made(tmp_path / "base")
    put_aside(tmp_path)
    assert not (tmp_path / "base").exists()

    made(tmp_path / "base")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "000000010000000000000001").write_bytes(b"wal")
    put_aside(tmp_path)
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"base", "archive"}
    assert [(tmp_path / name).exists() for name in ("base", "archive")] == [False, False]


# Which engine


def test_a_tier_is_recovered_as_its_settings_say_else_by_the_private_servers_own_archive(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    text = "project: shop\ntiers: {int: {url: u, may_lose: everything, consent: none}}\n"
    (tmp_path / "config" / "tiers.yaml").write_text(text)
    settings = load(tmp_path)
    data = tmp_path / ".dbtasks" / "durable" / "data"
    private = _private(data)

    def chosen(recovery: Recovery, server: embedded.Server | None = None) -> object:
        return engine_of(settings, _with(recovery), server)

    base = tmp_path / ".dbtasks" / "base" / "stg"
    assert chosen(Recovery()) is None
    assert chosen(Recovery(engine=RecoveryEngine.NEVER), private) is None
    assert chosen(Recovery(), private) == Archive(
        folder=data.parent / "archive", shelf=data.parent / "base", owned=True
    )
    assert [each.in_words for each in (RecoveryEngine.ARCHIVE, RecoveryEngine.SUPABASE)] == [
        "archive",
        "supabase, not verified live",
    ]
    provider = Recovery(engine=RecoveryEngine.SUPABASE, token="A_TOKEN")
    assert (chosen(provider, private), chosen(provider)) == (chosen(Recovery(), private), None)  # where it stands in
    assert chosen(Recovery(archive="/wal"), private) == Archive(folder=Path("/wal"), shelf=base)
    assert chosen(Recovery(engine=RecoveryEngine.PGBACKREST, stanza="shop"), private) == PgBackRest(
        repository=Repository(stanza="shop")
    )
    assert chosen(Recovery(engine=RecoveryEngine.RECEIVEWAL, base="/base")) == Receiver(
        folder=tmp_path / ".dbtasks" / "received" / "stg", shelf=Path("/base"), slot="dbtasks_shop_stg"
    )


def _with(recovery: Recovery) -> Tier:
    return replace(STG, recovery=recovery)


def _private(data: Path) -> embedded.Server:
    return embedded.Server(
        kind=embedded.Kind.DURABLE,
        root=data,
        data=data,
        host="127.0.0.1",
        port=1,
        user="postgres",
        password=Secret("not a password"),
        version="18.6",
        running=True,
        pid=None,
    )
