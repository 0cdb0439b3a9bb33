"""What pgBackRest answers, and what its program does that it should not: no server and no pgBackRest is needed."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dbtasks import wal
from dbtasks.embedded import locks
from dbtasks.embedded.account import Account
from dbtasks.errors import RecoveryFailedError
from dbtasks.recovery import answers, repository
from dbtasks.recovery.repository import Repository, repository_of
from dbtasks.tiers import Recovery

posix = pytest.mark.skipif(sys.platform == "win32", reason="a shell's script")
SHOP = Repository(stanza="shop")
OK = {"code": 0, "message": "ok"}
FULL: dict[str, Any] = {
    "annotation": {"dbtasks": "20261123T000000Z-abcdef"},
    "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000002"},
    "backrest": {"format": 5, "version": "2.45"},
    "database": {"id": 1, "repo-key": 1},
    "error": False,
    "info": {"delta": 23066077, "repository": {"delta": 3507319, "size": 3507319}, "size": 23066077},
    "label": "20261123-074502F",
    "lsn": {"start": "0/2000028", "stop": "0/2000100"},
    "prior": None,
    "reference": None,
    "timestamp": {"start": 1795419902, "stop": 1795419905},
    "type": "full",
}
STANZA: dict[str, Any] = {
    "archive": [{"database": {"id": 1, "repo-key": 1}, "id": "15-1", "max": None, "min": None}],
    "backup": [FULL],
    "cipher": "none",
    "db": [{"id": 1, "repo-key": 1, "system-id": 7711269756190095817, "version": "15"}],
    "name": "shop",
    "repo": [{"cipher": "none", "key": 1, "status": OK}],
    "status": {**OK, "lock": {"backup": {"held": False}}},
}


def read(**changes: Any) -> answers.Stanza:
    return answers.stanza(json.dumps([{**STANZA, **changes}]).encode(), "shop")


def test_a_backup_is_a_base_backup_with_what_a_recovery_must_know() -> None:
    (base,) = answers.base_backups(read())

    assert (base.id, base.size_bytes, base.origin.major) == ("20261123-074502F", 23066077, 15)
    assert (base.origin.system_identifier, base.origin.timeline) == (7711269756190095817, 1)
    assert (wal.shown(base.origin.begin), wal.shown(base.origin.end)) == ("0/2000028", "0/2000100")
    assert (base.origin.segment_bytes, int(base.taken_at.timestamp())) == (16 << 20, 1795419905)


@pytest.mark.parametrize(
    ("begin", "segment", "expected"),
    [
        ("0/2000028", "000000010000000000000002", 16 << 20),
        ("0/2000028", "000000010000000000000020", 1 << 20),
        ("1/40000028", "000000010000000100000001", 1 << 30),
        ("1/00000028", "000000010000000100000000", 16 << 20),
    ],
    ids=["usual", "small", "large", "any"],
)
def test_the_size_of_segments_is_told_by_a_position_and_the_segment_that_holds_it(
    begin: str, segment: str, expected: int
) -> None:
    backup = {**FULL, "lsn": {"start": begin, "stop": begin}, "archive": {"start": segment, "stop": segment}}
    (base,) = answers.base_backups(read(backup=[backup]))
    assert base.origin.segment_bytes == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"backup": [{**FULL, "error": True}]},
        {"backup": [{**FULL, "lsn": {"start": None, "stop": None}}]},
        {"backup": [{key: value for key, value in FULL.items() if key != "lsn"}]},
        {"backup": [{**FULL, "database": {"id": 2, "repo-key": 1}}]},
        {"repo": [{"cipher": "none", "key": 1, "status": {"code": 99, "message": "no way in"}}]},
    ],
    ids=["damaged pages", "no positions", "an old version's", "no server of it", "its place is unreachable"],
)
def test_what_no_recovery_could_begin_from_is_no_base_backup(changes: dict[str, Any]) -> None:
    assert answers.base_backups(read(**changes)) == ()


@pytest.mark.parametrize(
    ("repos", "expected"),
    [
        ([(0, "ok")], ""),
        ([(2, "no valid backups")], ""),
        ([(99, "no way in"), (0, "ok")], ""),
        ([(1, "missing stanza path")], "missing stanza path"),
        ([(99, "no way in"), (1, "missing stanza path")], "missing stanza path; no way in"),
        ([], "ok"),
    ],
)
def test_one_place_that_can_be_used_is_enough(repos: list[tuple[int, str]], expected: str) -> None:
    places = [
        {"cipher": "none", "key": key, "status": {"code": code, "message": message}}
        for key, (code, message) in enumerate(repos, start=1)
    ]
    assert read(repo=places).trouble == expected


def test_the_log_of_the_server_before_an_upgrade_is_not_the_present_ones() -> None:
    two = [{"id": id_, "repo-key": 1, "system-id": id_, "version": str(13 + id_)} for id_ in (1, 2)]
    logs = [{"database": {"id": id_, "repo-key": 1}, "id": f"{13 + id_}-{id_}"} for id_ in (1, 2)]
    found = read(db=two, archive=logs)

    assert found.logs() == ((1, "15-2"),)
    assert [each.system_id for each in found.current] == [2]


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'[{"name": 1}]', b"\xff"])
def test_an_answer_that_is_none_is_told(text: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        answers.stanza(text, "shop")
    with pytest.raises(ValueError, match="cannot be read"):
        answers.segments(b"[]")


def test_a_stanza_that_is_not_listed_is_missing() -> None:
    assert answers.stanza(b"[]", "shop").trouble == "missing stanza path"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "stanza: a\nstatus: error\n  backup: b, status: invalid, total files checked: 3\n",
            "pgBackRest finds b invalid",
        ),
        ("stanza: a\nstatus: ok\n  backup: c, status: valid, total\n", "b is not among what pgBackRest has verified"),
        ("  backup: b, status: valid, total files checked: 3\n", "b is not among what pgBackRest has verified"),
        ("", "b is not among what pgBackRest has verified"),
    ],
    ids=["invalid", "another one", "cut", "nothing"],
)
def test_only_a_backup_that_was_verified_is_valid(text: str, expected: str) -> None:
    assert answers.invalid_backup(text, "b") == expected


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands in for pgBackRest; no other account could enter the folder, and so it runs as we do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(repository, "choose_account", Account)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "pgbackrest"


def does(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@posix
def test_without_the_program_it_is_named(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(RecoveryFailedError, match="The program pgbackrest is not installed on this machine"):
        SHOP.info()


@posix
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'ERROR: [041]: cannot open' >&2; exit 41", "cannot open"),
        ("echo '[]'", "missing stanza path"),
        ("exit 0", "what pgBackRest says of its backups cannot be read"),
        ("echo 'repo1-cipher-pass=secret postgresql://a:hidden@b/c' >&2; exit 1", r"postgresql://a:\*+@b/c"),
    ],
    ids=["it fails", "no such stanza", "it says nothing", "it tells a secret"],
)
def test_a_program_that_fails_is_told_with_its_reason(program: Path, script: str, told: str) -> None:
    does(program, script)
    with pytest.raises(RecoveryFailedError, match=told):
        SHOP.info()


@posix
def test_a_restore_that_ends_well_and_leaves_nothing_is_none(program: Path, tmp_path: Path) -> None:
    does(program, "exit 0")
    with pytest.raises(RecoveryFailedError, match="cannot be used: it ended with 0"):
        SHOP.restore("20261123-074502F", tmp_path / "room" / "data", Account())


@posix
def test_what_still_restores_after_a_kill_keeps_its_folder_from_being_swept(program: Path, tmp_path: Path) -> None:
    does(program, f"touch {tmp_path}/begun; until test -e {tmp_path}/end; do sleep 0.02; done")

    def taken() -> bool:
        with locks.opened(tmp_path / "working") as lock:
            return locks.acquire(lock, 0)

    def restore(inherit: tuple[int, ...]) -> None:
        with suppress(RecoveryFailedError):
            SHOP.restore("20261123-074502F", tmp_path / "room" / "data", Account(), inherit)

    with locks.opened(tmp_path / "working") as lock:
        assert locks.acquire(lock, 0)
        restoring = threading.Thread(target=restore, args=(locks.inherited(lock),))
        restoring.start()
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
    assert not taken()  # though we let go of it, as a killed run does
    (tmp_path / "end").touch()
    restoring.join()
    assert taken()


@posix
@pytest.mark.parametrize(
    ("script", "expected"),
    [('shift $(($# - 1)); touch "$1"', True), ("exit 1", False), ("exit 0", False)],
    ids=["there", "not there", "said and not done"],
)
def test_a_segment_is_there_when_it_was_fetched(program: Path, tmp_path: Path, script: str, expected: bool) -> None:
    does(program, script)
    assert SHOP.fetch("000000010000000000000002", tmp_path / "segment") is expected


def test_its_configuration_is_the_projects_where_the_settings_say_so(tmp_path: Path) -> None:
    said = Recovery(stanza="shop", config="config/pgbackrest.conf")
    assert repository_of(tmp_path, said) == Repository(stanza="shop", config=f"{tmp_path}/config/pgbackrest.conf")
    assert repository_of(tmp_path, Recovery(stanza="shop")) == SHOP
    assert "--config" not in " ".join(SHOP.words("info"))
