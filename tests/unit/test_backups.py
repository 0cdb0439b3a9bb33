"""What a backup's manifest says, what later looks add to it, and which backups may go. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbtasks.backups.manifest import (
    File,
    Form,
    Grade,
    Identity,
    Manifest,
    Shape,
    Verdict,
    decode_manifest,
    encode,
    newest_verdict,
)
from dbtasks.backups.retention import superfluous
from dbtasks.errors import DamagedBackupError
from dbtasks.tiers import BackupPolicy

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ID = "20260301T120000Z-0a1b2c"
BACKUP = Manifest(
    id=ID,
    engine="pg_dump",
    form=Form.CUSTOM,
    project="shop",
    tier="stg",
    database="shop_stg",
    identity=Identity(system_identifier=7301, oid=16384),
    timeline=1,
    server_version="15.18",
    client_version="15.18",
    heads=("c41f",),
    rows=(("public.people", 3),),
    schema_digest="44" * 32,
    shape=Shape(encoding="UTF8", collate="C", ctype="C", provider="c"),
    owner="boss",
    role="anna",
    roles=("anna", "boss"),
    files=(File(name="database.dump.age", sha256="55" * 32, bytes=1200),),
    sha256="66" * 32,
    bytes=1000,
    sealed_to=("age1vw82h2yc...694ats",),
    lsn="0/19BFB80",
    started_at=NOW,
    finished_at=NOW + timedelta(seconds=9),
    seconds=9.125,
    person="anna",
    host="desk",
    entry=7,
    reason="before the reset",
    tool_version="0.1.0",
)


def changed(**fields: Any) -> bytes:
    """Return the manifest's JSON with other values; `None` takes a field away."""
    data = {**json.loads(encode(BACKUP)), **fields}
    return json.dumps({name: value for name, value in data.items() if value is not None}).encode()


def verdict(grade: Grade, hours: int, **more: Any) -> bytes:
    fields = {"digest": BACKUP.digest, "grade": grade, "checked_at": NOW + timedelta(hours=hours), **more}
    return encode(Verdict(**fields))


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert decode_manifest(encode(BACKUP), ID) == BACKUP
    assert BACKUP.major == 15
    assert BACKUP.stored_bytes == 1200


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "cannot be read", id="empty"),
        pytest.param(b"\xff\xfe", "cannot be read", id="no text"),
        pytest.param(encode(BACKUP)[:-40], "cannot be read", id="cut"),
        pytest.param(b"[1]", "cannot be read", id="another kind of JSON"),
        pytest.param(changed(mood="good"), "unknown field `mood`", id="unknown field"),
        pytest.param(changed(sha256=None), "missing required field `sha256`", id="missing field"),
        pytest.param(changed(bytes=-1), "cannot be read", id="negative size"),
        pytest.param(changed(id="../../etc"), "cannot be read", id="an id that is a path"),
        pytest.param(changed(format=2), "has format 2, and this version knows 1", id="newer format"),
        pytest.param(changed(format=2, mood="good"), "has format 2, and this version knows 1", id="newer, more fields"),
        pytest.param(changed(id="20260301T120000Z-ffffff"), "is of 20260301T120000Z-ffffff", id="another backup's"),
    ],
)
def test_what_is_no_manifest_is_told_in_one_sentence(data: bytes, why: str) -> None:
    with pytest.raises(DamagedBackupError) as caught:
        decode_manifest(data, ID)
    assert why in str(caught.value)
    assert str(caught.value).startswith(f"The backup {ID} cannot be used: ")


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/b", "dump/../up", "dump/a/b", "", ".hidden", "a" * 102])
def test_a_file_outside_of_the_backups_own_folder_is_refused(name: str) -> None:
    files = [{"name": name, "sha256": "55" * 32, "bytes": 1}]
    with pytest.raises(DamagedBackupError):
        decode_manifest(changed(files=files), ID)


def test_a_file_that_is_named_twice_is_refused() -> None:
    file = {"name": "database.dump", "sha256": "55" * 32, "bytes": 1}
    with pytest.raises(DamagedBackupError, match="names a file twice"):
        decode_manifest(changed(files=[file, file]), ID)


def test_the_digest_pins_everything_but_what_was_shown_later() -> None:
    shown = msgspec.structs.replace(BACKUP, grade=Grade.RESTORABLE, checked_at=NOW)
    other = msgspec.structs.replace(BACKUP, rows=(("public.people", 2),))
    assert shown.digest == BACKUP.digest == decode_manifest(encode(BACKUP), ID).digest
    assert other.digest != BACKUP.digest


@pytest.mark.parametrize(
    ("texts", "grade"),
    [
        pytest.param([], Grade.WRITTEN, id="none"),
        pytest.param([verdict(Grade.READABLE, 1)], Grade.READABLE, id="readable"),
        pytest.param(
            [verdict(Grade.RESTORABLE, 1), verdict(Grade.READABLE, 2)], Grade.RESTORABLE, id="restored before"
        ),
        pytest.param([verdict(Grade.RESTORABLE, 1), verdict(Grade.DAMAGED, 2)], Grade.DAMAGED, id="damaged since"),
        pytest.param(
            [verdict(Grade.DAMAGED, 2), verdict(Grade.READABLE, 3)], Grade.DAMAGED, id="damaged, then readable"
        ),
        pytest.param([verdict(Grade.DAMAGED, 1), verdict(Grade.RESTORABLE, 2)], Grade.RESTORABLE, id="restored since"),
        pytest.param([verdict(Grade.RESTORABLE, 2), verdict(Grade.DAMAGED, 2)], Grade.DAMAGED, id="both at once"),
        pytest.param([verdict(Grade.RESTORABLE, 1, digest="77" * 32)], Grade.WRITTEN, id="of another manifest"),
        pytest.param([verdict(Grade.RESTORABLE, 1, format=2)], Grade.WRITTEN, id="of a newer format"),
        pytest.param([b"{", b"\xff"], Grade.WRITTEN, id="torn"),
    ],
)
def test_no_more_is_said_than_was_shown_of_this_very_backup(texts: list[bytes], grade: Grade) -> None:
    for order in (texts, texts[::-1]):
        found = newest_verdict(BACKUP, order)
        assert (found.grade, found.good) == (grade, grade is not Grade.DAMAGED)
        assert found.rows == BACKUP.rows


def test_rows_that_nobody_counted_before_come_from_the_verdict() -> None:
    copy = msgspec.structs.replace(BACKUP, rows=(), files=())
    text = verdict(Grade.RESTORABLE, 1, digest=copy.digest, rows=(("public.people", 4),))
    assert newest_verdict(copy, [text]).rows == (("public.people", 4),)
    assert copy.stored_bytes == 1000


@pytest.mark.parametrize(
    ("target", "foreign"),
    [
        ({"project": "shop", "tier": "stg", "system_identifier": 7301}, ()),
        ({"project": "shop", "tier": "stg", "system_identifier": 7301, "oid": 16384}, ()),
        (
            {"project": "shop", "tier": "stg", "system_identifier": 7301, "oid": 9},
            ("it is of another database of that server",),
        ),
        ({"project": "shop", "tier": "prod", "system_identifier": 7301}, ("it is of shop [STG]",)),
        (
            {"project": "other", "tier": "stg", "system_identifier": 1, "oid": 16384},
            ("it is of shop [STG]", "it is of another server"),
        ),
    ],
)
def test_a_backup_says_what_it_is_not_of(target: dict[str, Any], foreign: tuple[str, ...]) -> None:
    assert BACKUP.foreign(**target) == foreign


# Retention

POLICY = BackupPolicy(keep=2, age=timedelta(days=30))


def aged(days: float, *, grade: Grade = Grade.READABLE, number: int = 0, **more: Any) -> Manifest:
    at = NOW - timedelta(days=days)
    fields = {"id": f"{at:%Y%m%dT%H%M%SZ}-{number:06x}", "started_at": at, "grade": grade, **more}
    return msgspec.structs.replace(BACKUP, **fields)


def gone(*backups: Manifest, needed: tuple[str, ...] = ()) -> list[float]:
    """Return how many days old what goes is."""
    return [(NOW - each.started_at) / timedelta(days=1) for each in superfluous(backups, POLICY, NOW, needed)]


def test_what_is_neither_new_enough_nor_young_enough_goes_the_oldest_first() -> None:
    assert gone(aged(1), aged(90), aged(40), aged(29), aged(31)) == [90, 40, 31]
    assert gone(aged(80), aged(90), aged(100)) == [100]
    assert gone(aged(1), aged(2), aged(3), aged(4)) == []


def test_what_is_needed_stays() -> None:
    old = aged(100)
    assert gone(old, aged(90), aged(80), aged(70), needed=(old.id,)) == [90]


def test_the_newest_good_one_and_the_newest_restored_one_stay() -> None:
    damaged = [aged(days, grade=Grade.DAMAGED) for days in (40, 50, 60)]
    restored = aged(100, grade=Grade.RESTORABLE)
    assert gone(*damaged, aged(70), aged(80), aged(90), restored) == [90, 60, 50, 40]


def test_tiers_and_engines_are_counted_apart() -> None:
    stg = [aged(days) for days in (40, 50, 60)]
    prod = [aged(days, tier="prod") for days in (41, 51)]
    copies = [aged(days, engine="copy") for days in (42, 52)]
    assert gone(*stg, *prod, *copies) == [60]


ages = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from(list(Grade)), st.sampled_from(["stg", "prod"])), max_size=12
)


@given(ages, st.integers(1, 4), st.integers(0, 60), st.integers(0, 11))
def test_whatever_the_policy_a_good_one_remains(
    found: list[tuple[int, Grade, str]], keep: int, days: int, wanted: int
) -> None:
    backups = [aged(age, grade=grade, tier=tier, number=number) for number, (age, grade, tier) in enumerate(found)]
    needed = [backup.id for backup in backups[wanted : wanted + 1]]
    policy = BackupPolicy(keep=keep, age=timedelta(days=days))
    left = set(backups) - set(superfluous(backups, policy, NOW, needed))
    for tier in {backup.tier for backup in backups}:
        good = [backup for backup in backups if backup.tier == tier and backup.good]
        newest = max(good, key=lambda each: (each.started_at, each.id), default=None)
        assert newest is None or newest in left
    assert {backup for backup in backups if backup.id in needed or NOW - backup.started_at <= policy.age} <= left
